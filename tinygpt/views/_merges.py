"""The merges view: byte-pair encoding learnt from a text, one merge at a time."""

from __future__ import annotations

from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

from tinygpt.tokenizers import PATTERN, BPETokenizer, MergeStep, merge_steps
from tinygpt.tokenizers.base import to_bytes
from tinygpt.tokenizers.words import compile_pattern
from tinygpt.views._host import View
from tinygpt.views._regex import to_javascript

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST = 20_000
_STUCK = (
    "A page cannot cut other texts as this pattern does, so you see the given text only. "
    "Call tg.views.merges again for another."
)


def merges(text: str, n_merges: int, *, pattern: str = PATTERN, at: int = 0) -> Merges:
    """Shows byte-pair encoding at work: the pairs of each step, the one that wins, the text that results.

    merge r = argmax_(a, b) count of (a, b) within words; of equal counts, the smaller pair of ids.

    Args:
        text: What to learn from, at most 20,000 characters. The reader can type another; no kernel is needed.
        n_merges: How many merges, 1 to 500.
        pattern: Regular expression that cuts the text into words; pairs never cross their borders.
        at: After how many merges to open, 0 to n_merges.

    Returns:
        A view that shows itself as the last line of a cell.

    Raises:
        ValueError: The text is too long or has not enough pairs for n_merges, or n_merges or `at` is out of
            range.

    Example:
        >>> merges("hug pug hug", 2)
        Merges view: 2 merges over 11 bytes, from 11 tokens to 6

    Source: Sennrich et al. 2016, arXiv:1508.07909, algorithm 1, on bytes; see `tokenizers.merge_steps`.
    """
    if len(text) > _MOST:
        raise ValueError(f"text must have at most {_MOST:,} characters; got {len(text):,}. Use train_bpe.")
    if not 1 <= n_merges <= 500 or not 0 <= at <= n_merges:
        raise ValueError(
            f"n_merges must be from 1 to 500 and at from 0 to n_merges; got {n_merges} and {at}."
        )
    return Merges(text, n_merges, pattern, at)


class Merges(View):
    """The view that `merges` returns."""

    _module = "merges"
    _colours = 24

    def __init__(self, text: str, n_merges: int, pattern: str, at: int) -> None:
        super().__init__()
        self._given, self._pattern, self._at = text, pattern, at
        self._steps: list[MergeStep] = list(merge_steps(text, n_merges, pattern))

    def _header(self) -> dict[str, Any]:
        words = compile_pattern(self._pattern).findall(self._given)
        return {
            "size": len(self._data()),
            "words": [len(to_bytes(word)) for word in words],
            "pattern": to_javascript(self._pattern),
            "most": len(self._steps),
            "at": self._at,
            "stuck": _STUCK,
        }

    def _data(self) -> bytes:
        return to_bytes(self._given)

    @cached_property
    def _tok(self) -> BPETokenizer:
        return BPETokenizer(merges=[step.pair for step in self._steps], pattern=self._pattern)

    def _text(self) -> str:
        before, after = (sum(map(len, words)) for words in (self._steps[0].before, self._steps[-1].after))
        many = len(self._steps)
        what = f"{many} merge{'s' * (many > 1)} over {len(self._data())} bytes"
        lines = [f"Merges view: {what}, from {before} tokens to {after}"]
        for step in self._steps[:12]:
            left, right, new = self._tok.pieces([*step.pair, step.new])
            lines.append(f"merge {step.rank}: {left} + {right} = {new} ({step.new}), {step.count} times")
        if many > 12:
            lines.append(f"and {many - 12} more")
        return "\n".join(lines)

    def _figure(self) -> Figure:
        from tinygpt.views._pieces_figure import figure

        stages = [("before", self._steps[0].before), ("after", self._steps[-1].after)]
        rows = [
            (f"{stage}: {sum(map(len, words))} tokens", self._pieces(chain.from_iterable(words)))
            for stage, words in stages
        ]
        rows.insert(
            1, (f"{len(self._steps)} merges, in order", self._pieces(step.new for step in self._steps))
        )
        return figure(rows)

    def _pieces(self, ids: Any) -> list[tuple[int, str]]:
        return [(i, self._tok.pieces([i])[0]) for i in ids]
