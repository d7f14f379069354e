"""The beams view: the tree of a beam search, to grow step by step and to rank anew by its length penalty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygpt.views._beam_tree import Grown, grown
from tinygpt.views._host import View
from tinygpt.views._readings import namer
from tinygpt.views._sampling_figure import visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tinygpt.sampling import Beams
    from tinygpt.tokenizers import Tokenizer
    from tinygpt.views._readings import Vocabulary

_MOST_NODES = 5000
_SHOWN = 8  # texts in the text alternative
_FATES = ("kept", "ended", "pruned")


def beams(
    found: Beams,
    vocabulary: Tokenizer | Vocabulary | None = None,
    *,
    length_penalty: float = 1.0,
    predict: bool = False,
) -> BeamTree:
    """Shows every token that a beam search looked at: which went on, which ended a text, which were pruned.

    Args:
        found: From `beam_search`.
        vocabulary: The tokenizer, or the text of every id as a function or sequence.
        length_penalty: That of the search. The page ranks what ended by any other.
        predict: Whether the tree opens before its first step, and each step's tokens stand there without
            their scores until the reader has said which survive.

    Returns:
        A view that shows itself as the last line of a cell. `selected` is the number of the locked node in
        `found.tree`, `length_penalty` as the reader left it, and `guesses` what was predicted.

    Raises:
        ValueError: The scores of `found` are not of this length penalty, or its tree is too large for a page.

    Example:
        >>> from tinygpt.models import GPT, GPTConfig
        >>> from tinygpt.sampling import beam_search
        >>> model = GPT(GPTConfig(vocab_size=8, n_layers=1, d_model=16), seed=0)
        >>> beams(beam_search(model, [1, 2], n_beams=2, max_new_tokens=3), "abcdefgh")
        Beams view: 12 tokens looked at in 3 steps; 2 texts ended

    Source: as `beam_search`.
    """
    if len(found.tree) > _MOST_NODES:
        raise ValueError(
            f"a page shows {_MOST_NODES} tokens; this search looked at {len(found.tree)}. Search with fewer "
            "beams or max_new_tokens."
        )
    return BeamTree(found, grown(found, length_penalty), vocabulary, length_penalty, predict)


class BeamTree(View):
    """The view that `beams` returns."""

    _module = "beams"
    _colours = 32

    def __init__(
        self,
        found: Beams,
        tree: Grown,
        vocabulary: Tokenizer | Vocabulary | None,
        length_penalty: float,
        predict: bool,
    ) -> None:
        super().__init__()
        self._tree, self._searched, self._predict = tree, float(length_penalty), predict
        best = tree.ended(length_penalty)
        prompt = found.sequences[0][: -tree.steps[best[0][1]]].tolist() if best else []
        self._prompt = prompt
        self._names = _named(vocabulary, [*prompt, *(node.token for node in tree.nodes)])
        self._selected = [0 if predict else tree.n_steps, -1, self._searched, []]

    @property
    def selected(self) -> int:
        """The number of the locked node in the tree of the search; −1 where none is."""
        return int(self._selected[1])

    @property
    def length_penalty(self) -> float:
        """By which the texts that ended are ranked."""
        return float(self._selected[2])

    @property
    def guesses(self) -> dict[int, tuple[int, ...]]:
        """The nodes that the reader said would survive, by step."""
        return {int(step): tuple(int(i) for i in chosen) for step, chosen in self._selected[3]}

    def _on_selected(self, change: Any) -> None:
        before = self._selected
        super()._on_selected(change)
        if before[2:] != self._selected[2:]:
            self._refresh()

    def _header(self) -> dict[str, Any]:
        number = {i: n for n, i in enumerate(self._names)}
        nodes = self._tree.nodes
        return {
            "names": list(self._names.values()),
            "prompt": [number[i] for i in self._prompt],
            "parents": [node.parent for node in nodes],
            "tokens": [number[node.token] for node in nodes],
            "fates": [_FATES.index(node.fate) for node in nodes],
            "groups": [node.group for node in nodes],
            "rivals": self._tree.rivals,
            "penalty": self._searched,
            "predict": self._predict,
            "selected": self._selected,
        }

    def _data(self) -> bytes:
        nodes = self._tree.nodes
        numbers = [[node.log_prob for node in nodes], [node.score for node in nodes]]
        return np.array(numbers).astype("<f8").tobytes()

    def _written(self, node: int) -> str:
        return "".join(self._names[self._tree.nodes[i].token] for i in self._tree.path(node))

    @property
    def _known(self) -> int:
        """The last step that is no secret."""
        return max(self.guesses, default=0) if self._predict else self._tree.n_steps

    def _text(self) -> str:
        tree, ended = self._tree, self._tree.ended(self.length_penalty)
        lines = [
            f"Beams view: {len(tree.nodes)} tokens looked at in {tree.n_steps} steps; "
            f"{len(ended)} texts ended",
            "prompt: " + "".join(self._names[i] for i in self._prompt),
        ]
        lines += [self._said(step, chosen) for step, chosen in self.guesses.items()]
        if self._known < tree.n_steps:
            lines.append(f"from step {self._known + 1} on the tree is hidden until it is predicted")
        for score, node in [end for end in ended if tree.steps[end[1]] <= self._known][:_SHOWN]:
            what = f"score {score:.4f}, log p {tree.nodes[node].score:.4f}, {tree.steps[node]} tokens"
            lines.append(f"{what}: {self._written(node)}")
        return "\n".join([*lines, *map(self._told, range(self._known))])

    def _said(self, step: int, chosen: tuple[int, ...]) -> str:
        survived = {i for i in self._tree.by_step[step - 1] if self._tree.nodes[i].fate != "pruned"}
        right = len(survived & set(chosen))
        return f"step {step}: you named {len(chosen)}, {right} of the {len(survived)} that survived"

    def _told(self, step: int) -> str:
        """What went on, ended and was pruned in a step."""
        words = []
        for fate in _FATES:
            nodes = [i for i in self._tree.by_step[step] if self._tree.nodes[i].fate == fate]
            texts = [
                f"“{self._names[self._tree.nodes[i].token]}” {self._tree.nodes[i].score:.2f}" for i in nodes
            ]
            words += [f"{fate} {', '.join(texts)}"] if texts else []
        return f"step {step + 1}: {'; '.join(words)}"

    def _figure(self) -> Figure:
        from tinygpt.views._beams_figure import figure

        return figure(self._tree, self._names, self._prompt, self.length_penalty, self._known)


def _named(vocabulary: Any, ids: list[int]) -> dict[int, str]:
    """The text of each id, white space as signs."""
    known = sorted(set(ids))
    if hasattr(vocabulary, "pieces"):
        return dict(zip(known, vocabulary.pieces(known), strict=True))
    name = namer(vocabulary)
    return {i: visible(str(name(i))) or "∅" for i in known}
