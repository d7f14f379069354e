"""The still picture of the switches view, for pages that run no script."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure


def figure(
    heads: Sequence[str],
    alone: np.ndarray,
    whole: float,
    ruler: Mapping[str, float],
    tokens: Sequence[str],
    probs: np.ndarray,
) -> Figure:
    """Returns the loss with each head off alone beside the next token with and without the worst one.

    Args:
        heads: The n heads.
        alone: The change in loss of switching each off alone, n, nats.
        whole: The loss of the whole model, nats.
        ruler: Losses to compare with, nats.
        tokens: The k next tokens.
        probs: Their probabilities under every combination, 2^n k.

    Returns:
        A figure that belongs to no pyplot state.
    """
    from matplotlib.figure import Figure

    result = Figure(figsize=(9.2, 0.9 + 0.32 * max(len(heads) + 1, len(tokens) * 1.6, 6)), dpi=100)
    result.set_layout_engine("constrained")
    loss, token = result.subplots(1, 2)
    rows = np.arange(len(heads) + 1)
    loss.barh(rows, whole + np.concatenate([[0.0], alone]), color=["#0072b2", *["#d55e00"] * len(heads)])
    loss.set_yticks(rows, ["all on", *(f"{head} off" for head in heads)])
    loss.invert_yaxis()
    for name, nats in ruler.items():
        loss.axvline(nats, color="#444", lw=1, ls="--")
        loss.annotate(name, (nats, -0.6), rotation=30, fontsize=9, annotation_clip=False)
    loss.set_xlabel("loss (nats per token)")
    worst = int(np.argmax(alone))
    at = np.arange(len(tokens))
    token.barh(at - 0.2, probs[0], height=0.38, color="#0072b2", label="all on")
    token.barh(at + 0.2, probs[2**worst], height=0.38, color="#d55e00", label=f"{heads[worst]} off")
    token.set_yticks(at, [text.replace("$", r"\$") for text in tokens], family="monospace")
    token.invert_yaxis()
    token.set_xlim(0, 1)
    token.set_xlabel("probability of the next token")
    token.legend(frameon=False)
    for axes in (loss, token):
        axes.spines[["top", "right"]].set_visible(False)
    return result
