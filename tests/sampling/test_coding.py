import math
import random
from bisect import bisect_right
from itertools import accumulate

import numpy as np
import pytest

from tinygpt.sampling import ArithmeticDecoder, ArithmeticEncoder
from tinygpt.sampling.coding import LARGEST_TOTAL


def packed(symbols: list[int], tables: list[list[int]]) -> bytes:
    encoder = ArithmeticEncoder()
    for symbol, ends in zip(symbols, tables, strict=True):
        encoder.encode(symbol, ends)
    return encoder.finish()


def unpacked(data: bytes, tables: list[list[int]]) -> list[int]:
    decoder = ArithmeticDecoder(data)
    return [decoder.decode(ends) for ends in tables]


def cost(symbols: list[int], tables: list[list[int]]) -> float:
    """Bits that the symbols are worth."""
    shares = [
        (ends[s] - (ends[s - 1] if s else 0)) / ends[-1] for s, ends in zip(symbols, tables, strict=True)
    ]
    return sum(-math.log2(share) for share in shares)


TABLES = {
    "bytes": list(range(1, 257)),
    "sure": [LARGEST_TOTAL - 1, LARGEST_TOTAL],
    "two alike": [1, 2],
    "one symbol": [7],
    "middle": [5, 6, 11],  # the interval closes around one half again and again
    "skewed": list(accumulate([1] * 49_999 + [1 << 28])),
}


@pytest.mark.parametrize("drawn", ["as likely", "evenly"])
@pytest.mark.parametrize("name", TABLES)
def test_round_trip_in_as_many_bits_as_the_symbols_are_worth(name: str, drawn: str) -> None:
    ends, rng = TABLES[name], random.Random(0)
    if drawn == "as likely":
        symbols = [bisect_right(ends, rng.randrange(ends[-1])) for _ in range(3000)]
    else:
        symbols = [rng.randrange(len(ends)) for _ in range(3000)]
    tables = [ends] * len(symbols)
    data = packed(symbols, tables)
    assert unpacked(data, tables) == symbols
    # A count of one in 2³⁰ is less than one unit of a register at times: a fraction of a bit is lost.
    slack = 1.02 if name == "sure" and drawn == "evenly" else 1.0001
    assert 8 * len(data) <= slack * cost(symbols, tables) + 10


def test_the_middle_symbol_for_ever() -> None:
    """The interval stays around one half: thousands of bits wait for the one that decides them."""
    tables = [[5, 6, 11]] * 2000 + [[1, 2]]
    for last in (0, 1):
        symbols = [1] * 2000 + [last]
        data = packed(symbols, tables)
        assert unpacked(data, tables) == symbols
        assert 8 * len(data) <= cost(symbols, tables) + 10


def test_random_tables_of_every_size() -> None:
    rng = random.Random(1)
    for _ in range(200):
        tables, symbols = [], []
        for _ in range(rng.randrange(40)):
            counts = [
                rng.choice([0, 1, 2, rng.randrange(1, 1 << 20)]) for _ in range(rng.randrange(1, 50))
            ] + [1]
            tables.append(list(accumulate(counts)))
            symbols.append(rng.choice([i for i, count in enumerate(counts) if count]))
        assert unpacked(packed(symbols, tables), tables) == symbols


def test_the_textbook_message() -> None:
    """Witten, Neal & Cleary 1987, table I: "eaii!" ends in [0.23354, 0.2336)."""
    ends = {s: i for i, s in enumerate("aeiou!")}
    shares = list(accumulate([2, 3, 1, 2, 1, 1]))
    data = packed([ends[s] for s in "eaii!"], [shares] * 5)
    assert 0.23354 <= int.from_bytes(data, "big") / 256 ** len(data) < 0.2336


def test_numpy_tables_do_not_wrap_around() -> None:
    ends = np.array([1, LARGEST_TOTAL], np.int32)
    symbols = [0, 1, 1, 0]
    data = packed(symbols, [ends] * 4)
    assert data == packed(symbols, [ends.tolist()] * 4)
    assert unpacked(data, [ends] * 4) == symbols


@pytest.mark.parametrize(
    ("symbol", "ends", "message"),
    [
        (1, [4, 4, 8], "symbol 1 needs a share of at least 1 of at most 1073741824; got 0 of 8"),
        (0, [1, LARGEST_TOTAL + 1], "got 1 of 1073741825"),
    ],
)
def test_impossible_symbols_are_explained(symbol: int, ends: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ArithmeticEncoder().encode(symbol, ends)
