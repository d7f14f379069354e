"""Arithmetic coding: symbols into bits and back, each symbol for as many bits as it is surprising.

A message is an interval of the unit line. It starts as the whole line; each symbol keeps the part that is
its share; in the end any number inside names the message, and a number inside an interval of length p takes
about −log₂ p bits. The registers hold the 32 bits of low and high that are still open; the bits before
them are already written.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np

BITS = 32
TOP, HALF, QUARTER = (1 << BITS) - 1, 1 << (BITS - 1), 1 << (BITS - 2)
LARGEST_TOTAL = QUARTER
"""The registers are never closer than this, so a share of one part in so many still gets an interval."""


class _Interval:
    """The open interval [low, high], both included."""

    def __init__(self) -> None:
        self.low, self.high = 0, TOP

    def narrow(self, symbol: int, ends: Sequence[int] | np.ndarray) -> None:
        """Keeps the symbol's share."""
        # Plain ints: the products need up to 62 bits, and NumPy's would wrap around in silence.
        first, last, total = int(ends[symbol - 1]) if symbol else 0, int(ends[symbol]), int(ends[-1])
        if not (first < last and 0 < total <= LARGEST_TOTAL):
            raise ValueError(
                f"symbol {symbol} needs a share of at least 1 of at most {LARGEST_TOTAL}; "
                f"got {last - first} of {total}. Give every symbol that may come a count of 1 or more."
            )
        size = self.high - self.low + 1
        self.high = self.low + size * last // total - 1
        self.low = self.low + size * first // total

    def settled(self) -> int | None:
        """Doubles the interval if it lies in one half or around the middle, and returns what it left behind.

        0 or HALF: it lay in the lower or the upper half. QUARTER: around the middle, its half still unknown.
        None: it is wide enough.
        """
        if self.high < HALF:
            below = 0
        elif self.low >= HALF:
            below = HALF
        elif self.low >= QUARTER and self.high < HALF + QUARTER:
            below = QUARTER
        else:
            return None
        self.low, self.high = (self.low - below) << 1, (self.high - below) << 1 | 1
        return below


class ArithmeticEncoder:
    """Packs symbols into bytes.

    length in bits < Σ −log₂ (count of the symbol / total of its table) + a few

    Each symbol comes with its own table, so a model may change its mind after every one.

    Example:
        >>> encoder = ArithmeticEncoder()
        >>> for symbol in [0, 0, 2, 0, 0, 0, 1, 0]:
        ...     encoder.encode(symbol, ends=[6, 7, 8])  # 0 takes 6 parts of 8, 1 and 2 one part each
        >>> encoder.finish().hex()
        '83c0'

    Source: Witten, Neal & Cleary 1987, "Arithmetic coding for data compression", figures 1 and 3, with
        registers of 32 bits in place of 16.
    """

    def __init__(self) -> None:
        self._interval = _Interval()
        self._bits: list[int] = []
        self._waiting = 0  # bits around the middle: all the opposite of the next one that is known

    def encode(self, symbol: int, ends: Sequence[int] | np.ndarray) -> None:
        """Adds a symbol.

        Args:
            symbol: its number, at least 0.
            ends: running totals of the counts; symbol s owns the stretch from `ends[s - 1]` to `ends[s]`. At
                most 2³⁰ in all.

        Raises:
            ValueError: the symbol's count is 0, or the total is too large.
        """
        self._interval.narrow(symbol, ends)
        while (below := self._interval.settled()) is not None:
            if below == QUARTER:
                self._waiting += 1
            else:
                self._write(below // HALF)

    def finish(self) -> bytes:
        """The bytes of all symbols so far; the encoder takes no more after this."""
        self._waiting += 1
        self._write(int(self._interval.low >= QUARTER))
        return np.packbits(np.array(self._bits, np.uint8)).tobytes()

    def _write(self, bit: int) -> None:
        self._bits += [bit, *[1 - bit] * self._waiting]
        self._waiting = 0


class ArithmeticDecoder:
    """Unpacks what `ArithmeticEncoder` packed, given the same tables in the same order.

    The bytes do not say where the message ends: ask for as many symbols as were packed.

    Example:
        >>> decoder = ArithmeticDecoder(bytes.fromhex("83c0"))
        >>> [decoder.decode(ends=[6, 7, 8]) for _ in range(8)]
        [0, 0, 2, 0, 0, 0, 1, 0]
    """

    def __init__(self, data: bytes) -> None:
        self._interval = _Interval()
        self._bits = np.unpackbits(np.frombuffer(data, np.uint8)).tolist()
        self._next, self._number = 0, 0
        for _ in range(BITS):
            self._shift()

    def decode(self, ends: Sequence[int] | np.ndarray) -> int:
        """The next symbol; `ends` as it was given to `encode`."""
        low, size = self._interval.low, self._interval.high - self._interval.low + 1
        place = ((self._number - low + 1) * int(ends[-1]) - 1) // size
        symbol = bisect_right(ends, place)
        self._interval.narrow(symbol, ends)
        while (below := self._interval.settled()) is not None:
            self._number -= below
            self._shift()
        return symbol

    def _shift(self) -> None:
        """Takes one more bit into the number; after the last one come zeros."""
        bit = self._bits[self._next] if self._next < len(self._bits) else 0
        self._number, self._next = self._number << 1 | bit, self._next + 1
