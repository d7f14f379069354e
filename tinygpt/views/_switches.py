"""The switches view: turn heads off and watch the loss and the next token's probabilities."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygpt.views._host import View
from tinygpt.views._patterns import halves, numbers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jaxtyping import Float
    from matplotlib.figure import Figure
    from torch import Tensor

_MOST_HEADS = 10


def switches(
    losses: Float[Tensor, " C"] | Float[np.ndarray, " C"] | Sequence[float],
    probs: Float[Tensor, "C k"] | Float[np.ndarray, "C k"] | Sequence[Sequence[float]],
    tokens: Sequence[str],
    heads: Sequence[str | tuple[int, int]],
    *,
    ruler: Mapping[str, float] | None = None,
    prompt: str | None = None,
    answer: str | None = None,
) -> Switches:
    """Shows what the loss and the next token become with any of n heads switched off.

    Combination c of the C = 2^n has head i off where bit i of c is set: c = Σ_i 2^i [head i is off]. So
    combination 0 is the whole model, and 5 has heads[0] and heads[2] off.

    Args:
        losses: The loss of every combination, C, in nats per token.
        probs: The probability of k chosen next tokens under every combination, C k, from 0 to 1.
        tokens: The k tokens as text.
        heads: The n heads, 1 to 10, as (layer, head) or as "L1H0".
        ruler: Losses to compare with, in nats per token: {"uniform": 4.16, "floor": 1.2}.
        prompt: The text that the next token continues.
        answer: The right next token, one of `tokens`, for a tick beside it.

    Returns:
        A view that shows itself as the last line of a cell; `selected` names the heads that are off.

    Raises:
        ValueError: Where there are not 2^n losses and rows of probs, or not as many tokens as columns, or
            where `answer` is none of the tokens.

    Example:
        >>> switches([1.0, 1.5, 1.1, 2.0], [[0.9], [0.4], [0.8], [0.1]], ["cat"], [(0, 0), (1, 0)])
        Switches view: 2 heads, loss 1.000 nats with all on, 2.000 with all off
    """
    names = [head if isinstance(head, str) else f"L{head[0]}H{head[1]}" for head in heads]
    return Switches(numbers(losses), numbers(probs), list(tokens), names, dict(ruler or {}), prompt, answer)


class Switches(View):
    """The view that `switches` returns."""

    _module = "switches"

    def __init__(
        self,
        losses: np.ndarray,
        probs: np.ndarray,
        tokens: list[str],
        heads: list[str],
        ruler: dict[str, float],
        prompt: str | None,
        answer: str | None,
    ) -> None:
        super().__init__()
        if not 1 <= len(heads) <= _MOST_HEADS or len(set(heads)) < len(heads):
            raise ValueError(f"heads must be 1 to {_MOST_HEADS} different heads; got {heads}.")
        wanted = 2 ** len(heads)
        if losses.shape != (wanted,) or probs.shape != (wanted, len(tokens)):
            raise ValueError(
                f"{len(heads)} heads have 2^{len(heads)} = {wanted} combinations and there are {len(tokens)} "
                f"tokens: losses must be {(wanted,)} and probs {(wanted, len(tokens))}; "
                f"got {losses.shape} and {probs.shape}."
            )
        if not np.isfinite(losses).all() or probs.min() < 0 or probs.max() > 1 + 1e-3:
            raise ValueError("losses must be finite and probs between 0 and 1.")
        if answer is not None and answer not in tokens:
            raise ValueError(f"answer must be one of the tokens; got {answer!r}. Try one of {tokens}.")
        self._answered = None if answer is None else tokens.index(answer)
        self._losses, self._probs, self._tokens, self._heads = losses, probs, tokens, heads
        self._ruler, self._prompt = {name: float(nats) for name, nats in ruler.items()}, prompt

    @property
    def selected(self) -> tuple[str, ...]:
        """The names of the heads that are off; set it to switch heads in the live view."""
        return tuple(self._selected)

    @selected.setter
    def selected(self, heads: Sequence[str]) -> None:
        unknown = sorted(set(heads) - set(self._heads))
        if unknown:
            raise ValueError(
                f"selected must name heads of this view; got {unknown}. Try some of {self._heads}."
            )
        self._selected = list(heads)
        if self._widget is not None:
            self._widget.selected = self._selected

    def _header(self) -> dict[str, Any]:
        return {
            "heads": self._heads,
            "places": _places(self._heads),
            "tokens": self._tokens,
            "losses": [round(float(loss), 5) for loss in self._losses],
            "ruler": self._ruler,
            "prompt": self._prompt,
            "answer": self._answered,
            "selected": self._selected,
        }

    def _data(self) -> bytes:
        return halves(self._probs)

    def _single(self) -> np.ndarray:
        """The change in loss, in nats, of switching off each head alone."""
        return self._losses[2 ** np.arange(len(self._heads))] - self._losses[0]

    def _text(self) -> str:
        many = len(self._heads)
        first = (
            f"Switches view: {many} head{'s' * (many > 1)}, loss {self._losses[0]:.3f} nats with all on, "
            f"{self._losses[-1]:.3f} with all off"
        )
        alone = self._single()
        order = np.argsort(-alone, kind="stable")[:3]
        lines = [first, *(f"{self._heads[i]} off alone: {alone[i]:+.3f} nats" for i in order)]
        if self._answered is not None:
            whole, none = self._probs[[0, -1], self._answered]
            token = self._tokens[self._answered]
            lines.append(f"right next token “{token}”: {whole:.3f} with all on, {none:.3f} with all off")
        return "\n".join(lines)

    def _figure(self) -> Figure:
        from tinygpt.views._switches_figure import figure

        tokens = [token + " ✓" * (i == self._answered) for i, token in enumerate(self._tokens)]
        return figure(self._heads, self._single(), self._losses[0], self._ruler, tokens, self._probs)


def _places(heads: list[str]) -> list[list[int]]:
    """Row and column of every head: layer by head where the names say so, else one row."""
    found = [re.fullmatch(r"L(\d+)H(\d+)", head) for head in heads]
    if not all(found):
        return [[0, i] for i in range(len(heads))]
    pairs = [(int(name[1]), int(name[2])) for name in found if name]
    rows, columns = (sorted({pair[i] for pair in pairs}) for i in (0, 1))
    return [[rows.index(layer), columns.index(head)] for layer, head in pairs]
