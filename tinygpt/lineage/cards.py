"""Cards: what a checkpoint was trained on, how, and what it scores, to be read."""

from __future__ import annotations

from typing import Any


def card_text(card: dict[str, Any], spread: dict[str, Any] | None = None) -> str:
    """Returns a checkpoint's card as Markdown.

    Args:
        card: what a checkpoint of the lineage has as `info["card"]`.
        spread: how far seeds lie apart, if that is known; see `spread_of`.

    Example:
        >>> from tinygpt.lineage import shipped
        >>> print(card_text(shipped("prefer").info["card"]).splitlines()[0])
        # prefer: tells stories that end well
    """
    shape, training = card["config"], card["train_config"]
    rows = {
        "starts from": card["after"] or "nothing",
        "data": card["data"],
        "sha256 of the data": f"`{card['data_sha256'][:16]}`",
        "model": f"{shape['n_layers']} layers, {shape['n_heads']} heads, d_model {shape['d_model']}, "
        f"{shape['vocab_size']} tokens, context {shape['context']}",
        "training": f"{training['steps']:,} steps, learning rate {training['lr']:g}, {training['schedule']}",
        "seed": card["seed"],
        "command": f"`{card['command']}`",
        "minutes": f"{card['minutes']:.1f} ({card['machine']})",
        "last loss": f"{card['loss']:.3f}",
    }
    return "\n".join(
        [f"# {card['stage']}: {card['about']}", "", *_table(("", ""), rows), "", *_scores(card, spread or {})]
    )


def _scores(card: dict[str, Any], seeds: dict[str, Any]) -> list[str]:
    """A row for each score; beside it, where they are known, mean and standard deviation over the seeds."""
    seeds = {size: scores for size, scores in seeds.items() if scores}
    heads = [f"{size}, mean ± std over seeds" for size in seeds]
    rows = {
        name: " | ".join([f"{value:.3f}", *(_spread(seeds[size][name]) for size in seeds)])
        for name, value in card["scores"].items()
    }
    return _table(("score", " | ".join([f"seed {card['seed']}", *heads])), rows)


def _spread(of: dict[str, float]) -> str:
    return f"{of['mean']:.3f} ± {of['std']:.3f}"


def _table(heads: tuple[str, str], rows: dict[str, Any]) -> list[str]:
    columns = heads[1].count("|") + 2
    return [
        f"| {heads[0]} | {heads[1]} |",
        f"|{' --- |' * columns}",
        *(f"| {name} | {value} |" for name, value in rows.items()),
    ]
