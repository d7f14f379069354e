"""The residual view: how long the stream is, and what every part adds to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tinygpt.views._host import View
from tinygpt.views._readings import one_row, one_stack
from tinygpt.views._writes import Writes, watch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Int
    from matplotlib.figure import Figure
    from torch import Tensor

    from tinygpt.models import GPT, Encoder

STATISTICS = ("stream", "added", "along", "towards")


def residual(
    model: GPT | Encoder | Mapping[str, GPT | Encoder],
    tokens: Int[Tensor, "B T"] | Int[Tensor, " T"] | Sequence[int],
    pieces: Sequence[str],
    *,
    answer: int | None = None,
    statistic: str = "stream",
    batch: int = 0,
) -> Residual:
    """Shows the residual stream part by part: its norm, and norm and direction of what each part adds.

    The stream starts as the embedding; each attention and feed-forward layer adds a vector w to it. Shown are
    ‖x‖ after each part, ‖w‖, cos(w, x) with the stream before, and cos(w, u) with the direction u that raises
    the answer's logit, the answer's row of the head times the gain of the last norm.

    Args:
        model: A model, or several by name, side by side with the same scales. With post-norm blocks ‖x‖ is
            that after the norm.
        tokens: Ids, T or B × T.
        pieces: The T tokens as text.
        answer: The id whose direction is meant; None leaves cos(w, u) out.
        statistic: What to open on: "stream", "added", "along" (the stream) or "towards" (the answer).
        batch: Which row.

    Returns:
        A view that shows itself as the last line of a cell; `selected` is the locked (part, position), where
        position −1 is the mean.

    Raises:
        ValueError: Where pieces, answer or statistic do not fit, or a model has two stacks.

    Example:
        >>> from tinygpt.models import GPT, GPTConfig
        >>> residual(GPT(GPTConfig(vocab_size=8, n_layers=2), seed=0), [1, 2, 3], ["a", "b", "c"])
        Residual stream view: 5 parts × 3 positions

    Source: Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits"; for the norms of pre-norm
    and post-norm models Xiong et al. 2020, section 3.
    """
    models = dict(model) if isinstance(model, Mapping) else {"": model}
    if not models:
        raise ValueError("residual needs at least one model; got none.")
    usable = STATISTICS if answer is not None else STATISTICS[:3]
    if statistic not in usable:
        raise ValueError(
            f"statistic must be one of {usable} (the last with an answer only); got {statistic!r}."
        )
    stacks = {name: one_stack(one) for name, one in models.items()}
    smallest = min(one.config.vocab_size for one in stacks.values())
    if answer is not None and not 0 <= answer < smallest:
        raise ValueError(f"answer must be an id from 0 to {smallest - 1}; got {answer}.")
    ids, wanted = one_row(tokens, batch, pieces), None if answer is None else int(answer)
    return Residual([watch(name, one, ids, wanted) for name, one in stacks.items()], list(pieces), statistic)


class Residual(View):
    """The view that `residual` returns."""

    _module = "residual"
    _colours = 64

    def __init__(self, models: list[Writes], pieces: list[str], statistic: str) -> None:
        super().__init__()
        self._models, self._pieces, self._statistic = models, pieces, statistic
        self._selected = [max(len(writes.parts) for writes in models) - 1, -1]

    @property
    def selected(self) -> tuple[int, int]:
        """The (part, position) that is locked; position −1 is the mean over all."""
        return (int(self._selected[0]), int(self._selected[1]))

    def _header(self) -> dict[str, Any]:
        return {
            "models": [{"name": writes.name, "parts": writes.parts} for writes in self._models],
            "tokens": self._pieces,
            "answered": self._models[0].towards is not None,
            "statistic": self._statistic,
            "selected": self._selected,
        }

    def _data(self) -> bytes:
        return b"".join(writes.packed() for writes in self._models)

    def _text(self) -> str:
        several = len(self._models) > 1
        sizes = [f"{writes.name} {len(writes.parts)}".strip() for writes in self._models]
        length = len(self._pieces)
        lines = [f"Residual stream view: {', '.join(sizes)} parts × {length} position{'s' * (length > 1)}"]
        for writes in self._models:
            norms = zip(writes.parts, writes.stream.mean(-1), writes.added.mean(-1), strict=True)
            path = [f"{part} {stream:.3g} (+{added:.3g})" for part, stream, added in norms]
            lines.append(f"{writes.name + ': ' if several else ''}mean norm after {', '.join(path)}")
        return "\n".join(lines)

    def _figure(self) -> Figure:
        from tinygpt.views._residual_figure import figure

        return figure([(w.name, w.parts, w.stream.mean(-1), w.added.mean(-1)) for w in self._models])
