"""Exercise 3 of chapter 01: one symbol out of a number."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from itertools import accumulate, pairwise

from torch import Generator

from tinygpt.grading.checks.draws import dice
from tinygpt.grading.exercise import Case, Exercise, Fault, Law

Question = tuple[int, int, int, list[int]]
Answer = tuple[int, int, int]


def unpacking_oracle(low: int, high: int, code: int, cumulative: list[int]) -> Answer:
    """The packer's own rule for every symbol; one of them fits."""
    (symbol,) = (s for s in range(len(cumulative) - 1) if code in range(*_borders(low, high, cumulative, s)))
    first, end = _borders(low, high, cumulative, symbol)
    return symbol, first, end - 1


def _borders(low: int, high: int, cumulative: list[int], symbol: int) -> tuple[int, int]:
    width = high - low + 1
    first, end = (width * part // cumulative[-1] for part in cumulative[symbol : symbol + 2])
    return low + first, low + end


def unpacking_attempt(
    low: int,
    high: int,
    code: int,
    cumulative: list[int],
    *,
    both: bool = True,
    part: str = "exact",
    search: str = "right",
    scaling: str = "multiply",
    last: str = "included",
    start: str = "low",
    before: str = "both from the old",
) -> Answer | None:
    """Search for the part, with a knob for each known way to go wrong."""
    width, total = high - low + both, cumulative[-1]
    if search == "all":
        return _first_that_holds(code, low if start == "low" else 0, width, cumulative)
    found = _part(code - (low if start != "0" else 0), width, total, part)
    if search == "left":
        symbol = bisect_left(cumulative, found) - 1
    elif search == "first":
        symbol = bisect_left(cumulative, found)
    else:
        symbol = bisect_right(cumulative, found) - 1
    symbol = min(max(symbol, 0), len(cumulative) - 2)
    base = 0 if start in ("0", "0 after") else low
    new_low = base + _scale(width, cumulative[symbol], total, scaling)
    if before == "low first":
        base = new_low
    if before == "low first, width too":
        base, width = new_low, high - new_low + both
    if before == "width of the part":
        part_width = _scale(width, cumulative[symbol + 1] - cumulative[symbol], total, scaling)
        return symbol, new_low, new_low + part_width - (last == "included")
    new_high = base + _scale(width, cumulative[symbol + 1], total, scaling)
    return symbol, new_low, new_high - (last == "included")


def _first_that_holds(code: int, base: int, width: int, cumulative: list[int]) -> Answer | None:
    """Of all parts the first with the code in it. Where the borders are wrong, there may be none."""
    borders = [base + width * part // cumulative[-1] for part in cumulative]
    found = ((s, a, b - 1) for s, (a, b) in enumerate(pairwise(borders)) if a <= code < b)
    return next(found, None)


def _part(offset: int, width: int, total: int, kind: str) -> int:
    if kind == "rounded down":
        return offset * total // width
    if kind == "no − 1":
        return (offset + 1) * total // width
    if kind == "float":
        return int(((offset + 1) * total - 1) / width)
    if kind == "width first":
        return offset // max(width // total, 1)
    return ((offset + 1) * total - 1) // width


def _scale(width: int, cumulative: int, total: int, kind: str) -> int:
    if kind == "divide first":
        return width // total * cumulative
    if kind == "float":
        return int(width * cumulative / total)
    if kind == "probability":
        return int(width * (cumulative / total))
    if kind == "up":
        return -(-width * cumulative // total)
    if kind == "nearest":
        return (2 * width * cumulative + total) // (2 * total)
    return width * cumulative // total


def _interval(rng: random.Random, cumulative: list[int], low: int, width: int, border: bool) -> Question:
    """A code somewhere in the interval, or on the border of a symbol's part."""
    high = low + width - 1
    used = [s for s in range(len(cumulative) - 1) if cumulative[s] < cumulative[s + 1]]
    first, end = _borders(low, high, cumulative, rng.choice(used))
    code = rng.choice((first, end - 1)) if border else rng.randint(low, high)
    return low, high, code, cumulative


def _table(rng: random.Random, n: int, largest: int, least: int = 1) -> list[int]:
    return [0, *accumulate(rng.randint(least, largest) for _ in range(n))]


def _anywhere(generator: Generator) -> Question:
    rng = dice(generator)
    table = _table(rng, 4, 6)
    return _interval(rng, table, rng.randint(1, 500), rng.randint(table[-1], 4 * table[-1]), border=False)


def _on_borders(generator: Generator) -> Question:
    rng = dice(generator)
    table = _table(rng, 5, 5)
    return _interval(rng, table, rng.randint(0, 500), rng.randint(table[-1], 4 * table[-1]), border=True)


def _gaps(generator: Generator) -> Question:
    rng = dice(generator)
    counts = [0, rng.randint(1, 4), 0, 0, rng.randint(1, 4), rng.randint(0, 2), 0]
    table = [0, *accumulate(counts)]
    return _interval(rng, table, rng.randint(0, 99), rng.randint(table[-1], 5 * table[-1]), border=True)


def _sixty_bits(generator: Generator) -> Question:
    rng = dice(generator)
    table = _table(rng, 5, 1 << 28)
    low = rng.randint(1, 1 << 60)
    return _interval(rng, table, low, rng.randint(1 << 59, 1 << 60), border=True)


unpacked = Exercise(
    name="arithmetic_decode",
    arguments=("low", "high", "code", "cumulative"),
    returns="(symbol, new low, new high)",
    reference=unpacking_oracle,
    attempt=unpacking_attempt,
    faults=(
        Fault(
            "high not included",
            "The interval includes both ends, so it is `high - low + 1` numbers wide. You have one too few.",
            {"both": False},
        ),
        Fault(
            "high not included, all parts tried",
            "The interval includes both ends, so it is `high - low + 1` numbers wide. You have one too few, "
            "and sometimes no part holds the code.",
            {"both": False, "search": "all"},
        ),
        Fault(
            "new high one too far",
            "The new `high` is the last number of the part, and you return the first of the next: subtract "
            "1.",
            {"last": "excluded"},
        ),
        Fault(
            "wrong side of a border",
            "On a border you take the symbol before. A part holds its first number and not that of the next: "
            "`cumulative[s] <= part < cumulative[s + 1]`.",
            {"search": "left"},
        ),
        Fault(
            "one symbol too far",
            "You take the first symbol that *starts* at the code's part or behind it. Wanted is the one it "
            "lies in, `cumulative[s] <= part < cumulative[s + 1]`.",
            {"search": "first"},
        ),
        Fault(
            "part rounded down",
            "Right inside a part, wrong on some borders: rounded down twice, a part's first number can fall "
            "into the part before. `((code - low + 1) * total - 1) // width` takes the packer's rounding "
            "into account.",
            {"part": "rounded down"},
        ),
        Fault(
            "part one too far",
            "The − 1 is missing: `((code - low + 1) * total - 1) // width`.",
            {"part": "no − 1"},
        ),
        Fault(
            "search with a point",
            "Right for small numbers, not for large ones: `/` keeps 53 bits of up to 92. Use `//` only.",
            {"part": "float"},
        ),
        Fault(
            "width divided first",
            "You divide the width by the total before anything else, which throws its remainder away. "
            "Multiply first, then divide, in the search and in both borders.",
            {"part": "width first", "scaling": "divide first"},
        ),
        Fault(
            "borders divided first",
            "The borders are not the packer's: you divide the width by the total, then multiply. Multiply "
            "first.",
            {"scaling": "divide first"},
        ),
        Fault(
            "borders with a point",
            "Right for small numbers, not for large ones: `/` keeps 53 bits. Use `//` only.",
            {"scaling": "float"},
        ),
        Fault(
            "borders from probabilities",
            "A probability `cumulative[s] / total` is rounded, and the borders with it. Multiply whole "
            "numbers first, then divide with `//`.",
            {"scaling": "probability"},
        ),
        Fault(
            "borders rounded up",
            "The packer rounds borders down, you round them up: `//`.",
            {"scaling": "up"},
        ),
        Fault(
            "borders rounded",
            "The packer rounds borders down, you round to the nearest: `//`.",
            {"scaling": "nearest"},
        ),
        Fault(
            "low forgotten",
            "`low` is missing: measure the code from `low`, and add `low` to both borders.",
            {"start": "0"},
        ),
        Fault(
            "low forgotten, all parts tried",
            "`low` is missing: add it to both borders of every part before you look for the code in it. "
            "Without it most codes are in none.",
            {"start": "0", "search": "all"},
        ),
        Fault(
            "low not added",
            "The right symbol, but the borders are counted from 0: add `low` to both.",
            {"start": "0 after"},
        ),
        Fault(
            "new low used for the new high",
            "You changed `low` first and computed the new `high` from the *new* one. Both borders come from "
            "the old.",
            {"before": "low first"},
        ),
        Fault(
            "new low used for the new high and the width",
            "You changed `low` first and computed the width and the new `high` from the *new* one. Both "
            "borders come from the old.",
            {"before": "low first, width too"},
        ),
        Fault(
            "width of the part rounded by itself",
            "You add the part's own width, rounded, to the new `low`. The packer rounds both borders, each "
            "from the old `low`, so that parts neither overlap nor leave gaps.",
            {"before": "width of the part"},
        ),
    ),
    laws=(
        Law(
            "code outside",
            "The code does not lie in the interval that you return, so this is not the symbol that was "
            "packed.",
            lambda call, args, got: not got[1] <= args[2] <= got[2],
        ),
        Law(
            "a symbol without a part",
            "You return a symbol that owns no part, which was never packed.",
            lambda call, args, got: args[3][got[0]] == args[3][got[0] + 1],
        ),
    ),
    cases=(
        Case(
            "the numbers 0 to 7, three symbols",
            lambda g: (0, 7, dice(g).randrange(8), [0, 3, 4, 8]),
            times=8,
        ),
        Case("an interval that starts elsewhere", _anywhere, times=8),
        Case("codes on the borders of a part", _on_borders, times=12),
        Case("symbols that own no part", _gaps, times=12),
        Case(
            "numbers of 60 bits",
            _sixty_bits,
            points=2,
            advice="No number with a point can hold 60 bits: use `//` and `*` on whole numbers only.",
            times=8,
        ),
    ),
    shortcuts=("tinygpt.sampling",),
)
