"""The logit lens view: what the model would say at every depth and position."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tinygpt.interp import capture
from tinygpt.views._host import View
from tinygpt.views._readings import Readings, namer, one_row, one_stack, read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jaxtyping import Int
    from matplotlib.figure import Figure
    from torch import Tensor

    from tinygpt.models import GPT, Encoder
    from tinygpt.views._readings import Vocabulary

STATISTICS = ("rank", "probability", "entropy", "top", "kl")


def logit_lens(
    model: GPT | Encoder,
    tokens: Int[Tensor, "B T"] | Int[Tensor, " T"] | Sequence[int],
    pieces: Sequence[str],
    *,
    answer: int | Sequence[int] | None = None,
    rivals: Sequence[int] = (),
    vocabulary: Vocabulary | None = None,
    at: int = -1,
    statistic: str = "rank",
    top: int = 8,
    batch: int = 0,
) -> LogitLens:
    """Shows what the model's head makes of the residual stream at every depth and position.

    p[depth, t] = softmax(head(norm(x[depth, t]))), where depth 0 is the embedding and the last is the answer.
    Of it: rank and probability of the right token; entropy −Σ p log p; KL to the final answer,
    Σ p_final log(p_final / p).

    Args:
        model: What reads the tokens; it runs once.
        tokens: Ids, T or B × T.
        pieces: The T tokens as text.
        answer: The id that is right at position `at`, or one for each of the T positions, such as what stood
            in the blanks of an `Encoder`. Elsewhere the right token of a GPT is the next one; where nothing
            else is known it is the model's own final choice.
        rivals: Ids to follow through the depths beside the right one, at most 6.
        vocabulary: Text of every id, as a function or sequence: `tok.pieces(range(V))`, for instance.
        at: The position to open on.
        statistic: What to open on: "rank", "probability", "entropy", "top" or "kl".
        top: How many of the likeliest tokens to show, 1 to 20.
        batch: Which row.

    Returns:
        A view that shows itself as the last line of a cell; `selected` is the locked (depth, position).

    Raises:
        ValueError: Where pieces, answers or options do not fit the tokens.

    Example:
        >>> from tinygpt.models import GPT, GPTConfig
        >>> model = GPT(GPTConfig(vocab_size=8, n_layers=2), seed=0)
        >>> logit_lens(model, [1, 2, 3], ["a", "b", "c"], answer=5)
        Logit lens view: 3 depths × 3 positions

    Source: nostalgebraist 2020, "interpreting GPT: the logit lens"; see `interp.logit_lens`.
    """
    if statistic not in STATISTICS:
        raise ValueError(f"statistic must be one of {STATISTICS}; got {statistic!r}.")
    if len(rivals) > 6 or not 1 <= top <= 20:
        raise ValueError(f"there may be 6 rivals and top from 1 to 20; got {len(rivals)} and {top}.")
    ids = one_row(tokens, batch, pieces)
    length = ids.shape[1]
    if not -length <= at < length:
        raise ValueError(f"at must be a position from 0 to {length - 1}; got {at}.")
    model, name, answer = one_stack(model), namer(vocabulary), _ids(answer)
    right, why = _right(model, ids[0], at % length, answer)
    followed = list(dict.fromkeys([*([answer] if isinstance(answer, int) else []), *map(int, rivals)]))
    _check([*right.tolist(), *followed], model.config.vocab_size)
    with capture(model, "embedded", "blocks.*.residual") as seen:
        model(ids.to(model.device))
    readings = read(model, seen, right, followed, top)
    final = readings.top[-1, :, 0]
    known = [int(own if one < 0 else one) for one, own in zip(right.tolist(), final, strict=True)]
    return LogitLens(_Text(list(pieces), at % length, known, why, followed, name, statistic), readings)


@dataclass(frozen=True)
class _Text:
    """What was read: its tokens, which is right at each position and why, and whom to follow."""

    pieces: list[str]
    at: int
    right: list[int]
    why: list[str]
    followed: list[int]
    name: Callable[[int], str]
    statistic: str


class LogitLens(View):
    """The view that `logit_lens` returns."""

    _module = "logit_lens"
    _colours = 96

    def __init__(self, text: _Text, readings: Readings) -> None:
        super().__init__()
        self._given, self._readings = text, readings
        depths = len(readings.entropy)
        self._rows = ["embedding", *(f"L{i}" for i in range(depths - 1))]
        self._selected = [depths - 1, text.at]

    @property
    def selected(self) -> tuple[int, int]:
        """The (depth, position) that is locked; depth 0 is the embedding."""
        return (int(self._selected[0]), int(self._selected[1]))

    @cached_property
    def _table(self) -> list[int]:
        """Every id that is shown by its text, in order of appearance."""
        shown = [*self._given.right, *self._given.followed, *self._readings.top.ravel().tolist()]
        return list(dict.fromkeys(shown))

    def _header(self) -> dict[str, Any]:
        number = {one: i for i, one in enumerate(self._table)}
        return {
            "rows": self._rows,
            "tokens": self._given.pieces,
            "ids": self._table,
            "names": [str(self._given.name(one)) for one in self._table],
            "right": [number[one] for one in self._given.right],
            "why": self._given.why,
            "followed": [number[one] for one in self._given.followed],
            "top": self._readings.top.shape[-1],
            "statistic": self._given.statistic,
            "selected": self._selected,
        }

    def _data(self) -> bytes:
        return self._readings.packed({one: i for i, one in enumerate(self._table)})

    def _text(self) -> str:
        depths, length = self._readings.entropy.shape
        at = self._given.at
        lines = [f"Logit lens view: {depths} depths × {length} position{'s' * (length > 1)}"]
        lines.append(f"at position {at} “{self._given.pieces[at]}”, rank and probability by depth:")
        for i, one in enumerate([self._given.right[at], *self._given.followed]):
            if i and one == self._given.right[at]:
                continue
            ranks, odds = self._readings.ranks[i, :, at], self._readings.odds[i, :, at]
            path = ", ".join(
                f"{row} {r} ({p:.2f})" for row, r, p in zip(self._rows, ranks, odds, strict=True)
            )
            lines.append(f"“{self._given.name(one)}”: {path}")
        top = [
            f"{row} “{self._given.name(int(i))}”"
            for row, i in zip(self._rows, self._readings.top[:, at, 0], strict=True)
        ]
        return "\n".join([*lines, f"first choice: {', '.join(top)}"])

    def _figure(self) -> Figure:
        from tinygpt.views._cells_figure import LINES
        from tinygpt.views._lens_figure import figure

        given, at = self._given, self._given.at
        right = (given.name(given.right[at]), self._readings.ranks[0, :, at], "#d55e00")
        others = [
            (given.name(one), self._readings.ranks[i + 1, :, at], LINES[i % len(LINES)])
            for i, one in enumerate(given.followed)
            if one != given.right[at]
        ]
        first = [[given.name(int(i)) for i in row] for row in self._readings.top[:, :, 0]]
        return figure(self._readings.ranks[0], first, self._rows, given.pieces, at, [right, *others])


def _ids(answer: Any) -> int | list[int] | None:
    """One id or several, whatever kind of number they came as."""
    if answer is None:
        return None
    several = getattr(answer, "ndim", 1) and hasattr(answer, "__len__")
    return [int(one) for one in answer] if several else int(answer)


def _right(
    model: GPT | Encoder, ids: Tensor, at: int, answer: int | list[int] | None
) -> tuple[Tensor, list[str]]:
    """The right token of every position, −1 where it is the model's own choice, and why it is right."""
    import torch

    from tinygpt.models import GPT

    length = len(ids)
    if answer is not None and not isinstance(answer, int):
        if len(answer) != length:
            raise ValueError(f"answer must be one id or {length}, one for each position; got {len(answer)}.")
        return torch.as_tensor(answer), ["given"] * length
    right, why = torch.full((length,), -1), ["own"] * length
    if isinstance(model, GPT):
        right[:-1], why[:-1] = ids[1:], ["next"] * (length - 1)
    if answer is not None:
        right[at], why[at] = answer, "given"
    return right, why


def _check(ids: Sequence[int], vocabulary: int) -> None:
    if bad := sorted({i for i in ids if not -1 <= i < vocabulary}):
        raise ValueError(f"answer and rivals must be ids from 0 to {vocabulary - 1}; got {bad}.")
