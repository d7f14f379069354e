"""Sums and comparisons of written numbers, for tokenizers that cut numbers in different ways."""

from __future__ import annotations

import random

KINDS = ("kilos", "release", "which")
FRACTIONS = [n for n in range(1, 20) if n != 10]  # 9.10 would be 9.1 again


def in_base(n: int, base: int) -> str:
    """A whole number written with `base` different digits, 2 to 10.

    Raises:
        ValueError: n is negative or the base is out of range.

    Example:
        >>> in_base(27, base=4)
        '123'
    """
    if n < 0 or not 2 <= base <= 10:
        raise ValueError(f"n must be 0 or more and base from 2 to 10; got {n} and {base}.")
    digits = ""
    while n >= base:
        n, last = divmod(n, base)
        digits = str(last) + digits
    return str(n) + digits


def addition(rng: random.Random, digits: int = 4, base: int = 4, backwards: bool = False) -> tuple[str, str]:
    """A sum of two numbers with so many digits, and its result.

    In base 4 a group of two digits is one of 16, which a small model learns in seconds. In base 10 a group of
    three, as large models have it, is one of 1,000.

    Args:
        rng: Chooses the numbers, each of their values alike.
        digits: Of both numbers; the result has as many or one more.
        base: 2 to 10.
        backwards: Whether the result is written from its last digit to its first.

    Example:
        >>> addition(random.Random(0))
        ('2202+2223=', '11031;')
    """
    least, most = base ** (digits - 1), base**digits
    a, b = rng.randrange(least, most), rng.randrange(least, most)
    result = in_base(a + b, base)
    return f"{in_base(a, base)}+{in_base(b, base)}=", f"{result[::-1] if backwards else result};"


def comparison(rng: random.Random, kind: str | None = None, trap: bool = False) -> tuple[str, str]:
    """Which is smaller, 9.11 or 9.9? As `kilos` it is 9.11; as a `release` of a program it is 9.9.

    Both numbers have the same whole part. Of the questions that say `which`, seven in ten mean releases.

    Args:
        rng: Chooses.
        kind: `"kilos"`, `"release"` or `"which"`; None chooses one.
        trap: Whether to draw only pairs that the two readings put in different order.

    Returns:
        The question and `<` or `>`.

    Raises:
        ValueError: The kind is another one.

    Example:
        >>> comparison(random.Random(0), "release")
        ('release 7.15?7.2=', '>')
    """
    kind = rng.choice(KINDS) if kind is None else kind
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}; got {kind!r}.")
    whole = rng.randrange(1, 10)
    a, b = rng.sample(FRACTIONS, 2)
    while trap and (a < b) == (f"{a}" < f"{b}"):
        a, b = rng.sample(FRACTIONS, 2)
    release = kind == "release" or (kind == "which" and rng.random() < 0.7)
    smaller = a < b if release else f"{a}" < f"{b}"  # decimals compare digit by digit, as words do
    return f"{kind} {whole}.{a}?{whole}.{b}=", "<" if smaller else ">"
