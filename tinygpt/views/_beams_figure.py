"""The still picture of the beams view, for pages that run no script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygpt.views._cells_figure import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tinygpt.views._beam_tree import Grown

STEPS = 10
BEST = "#d55e00"
# Edge colour, fill, line, sign.
LOOKS: dict[str, tuple[str, str, str, str]] = {
    "kept": ("#0072b2", "#dcebf5", "-", "→"),
    "ended": ("#009e73", "#d5efe6", "-", "■"),
    "pruned": ("#8a929b", "white", ":", "×"),
}


def figure(
    tree: Grown, names: dict[int, str], prompt: list[int], length_penalty: float, known: int
) -> Figure:
    """Returns the first steps of the tree, a column each, the best score on top, with the best text's path.

    Args:
        tree: What was searched.
        names: The text of every id in it.
        prompt: Its ids.
        length_penalty: That ranks the texts.
        known: The last step that is not yet to be predicted.

    Returns:
        A figure that belongs to no pyplot state.
    """
    from matplotlib.figure import Figure

    steps, rows = min(tree.n_steps, STEPS), _rows(tree)
    deep = max(rows, default=0)
    result = Figure(figsize=(9.2, min(1.2 + 0.42 * (1 + deep), 9.0)), dpi=80, layout="constrained")
    axes = result.subplots()
    ended = [end for end in tree.ended(length_penalty) if tree.steps[end[1]] <= known]
    best = tree.path(ended[0][1]) if ended else []
    axes.set_title(plain(_title(tree, names, ended, known), 100), fontsize=10, loc="left")
    axes.set_axis_off()
    axes.set_xlim(-0.6, steps + 0.5)
    axes.set_ylim(deep + 0.9, -0.8)
    root = plain("".join(names[i] for i in prompt)[-9:] or "prompt")
    axes.text(0, 0, root, ha="center", va="center", family="monospace", fontsize=9)
    for i, step in enumerate(tree.steps):
        if step <= min(steps, known):
            _node(axes, tree, rows, names, i, i in best)
    for step in range(1, steps + 1):
        axes.text(step, -0.7, f"step {step}", ha="center", va="bottom", fontsize=8, color="#57606a")
    _legend(axes)
    return result


def _title(tree: Grown, names: dict[int, str], ended: list[tuple[float, int]], known: int) -> str:
    if known < tree.n_steps:
        return f"Predict first: from step {known + 1} on the tree is hidden."
    if not ended:
        return "no text ended"
    text = "".join(names[tree.nodes[i].token] for i in tree.path(ended[0][1]))
    more = f"; steps 1 to {STEPS} of {tree.n_steps}" * (tree.n_steps > STEPS)
    return f"best of {len(ended)} texts, score {ended[0][0]:.3f}: {text}{more}"


def _rows(tree: Grown) -> list[int]:
    """The row of each node: best score on top, one group of beams under the other."""
    deep = 1 + max(tree.ranks, default=0)
    return [node.group * deep + rank for node, rank in zip(tree.nodes, tree.ranks, strict=True)]


def _node(axes: Axes, tree: Grown, rows: list[int], names: dict[int, str], i: int, best: bool) -> None:
    node, x, y = tree.nodes[i], tree.steps[i], rows[i]
    colour, fill, line, sign = LOOKS[node.fate]
    start = (x - 1, rows[node.parent] if node.parent >= 0 else 0)
    width: dict[str, Any] = {"color": BEST, "lw": 3} if best else {"color": colour, "lw": 1.1, "ls": line}
    axes.plot([start[0] + 0.4, x - 0.4], [start[1], y], zorder=1, **width)
    text = f"{plain(names[node.token], 9)} {sign}\n{node.log_prob:.2f} | {node.score:.2f}"
    edge = {"ec": BEST, "lw": 2.2, "ls": "-"} if best else {"ec": colour, "lw": 1.2, "ls": line}
    box = {"boxstyle": "round,pad=0.25" if node.fate == "kept" else "square,pad=0.25", "fc": fill, **edge}
    ink = "#57606a" if node.fate == "pruned" else "#1b1f24"
    where = {"ha": "center", "va": "center", "fontsize": 6.5, "family": "monospace"}
    axes.text(x, y, text, color=ink, bbox=box, **where)


def _legend(axes: Axes) -> None:
    words = "token, log p | score;  → kept   ■ ended a text   × pruned   thick: the best text"
    axes.text(0.5, -0.01, words, transform=axes.transAxes, ha="center", va="top", fontsize=8.5)
