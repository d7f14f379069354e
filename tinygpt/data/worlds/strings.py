"""Random strings, to be copied exactly or counted in."""

from __future__ import annotations

import random
import string

from tinygpt.data.worlds.vocabulary import Words

LETTERS = string.ascii_lowercase
COUNTED = "abc"
LONGEST = 99
STRING_WORDS = Words(("<pad>", "<end>", "=", ":", "how-many", *LETTERS, *map(str, range(LONGEST + 1))))


def copying(rng: random.Random, length: int) -> tuple[str, str]:
    """A random string and the same again, out of 26 letters, each alike.

    Args:
        rng: Chooses.
        length: Letters, 1 to 99.

    Raises:
        ValueError: length is out of range.

    Example:
        >>> copying(random.Random(0), 5)
        ('m y n b i =', 'm y n b i <end>')
    """
    _check(length)
    text = " ".join(rng.choice(LETTERS) for _ in range(length))
    return f"{text} =", f"{text} <end>"


def counting(rng: random.Random, length: int, steps: bool = False) -> tuple[str, str]:
    """How many there are of one letter in a random string of a, b and c.

    How many there are is drawn first, each number from 0 to `length` alike, so that guessing does not pay.

    Args:
        rng: Chooses.
        length: Letters, 1 to 99.
        steps: Whether the answer begins with the tally after each letter; else it is the number alone.

    Raises:
        ValueError: length is out of range.

    Example:
        >>> counting(random.Random(1), 5)
        ('how-many a : a b a a a =', '4 <end>')
        >>> counting(random.Random(1), 5, steps=True)
        ('how-many a : a b a a a =', '1 1 2 3 4 = 4 <end>')
    """
    _check(length)
    asked = rng.choice(COUNTED)
    others = COUNTED.replace(asked, "")
    n = rng.randrange(length + 1)
    letters = [asked] * n + [rng.choice(others) for _ in range(length - n)]
    rng.shuffle(letters)
    tallies = [letters[: i + 1].count(asked) for i in range(length)]
    written = " ".join(map(str, [*tallies, "="])) + " " if steps else ""
    return f"how-many {asked} : {' '.join(letters)} =", f"{written}{n} <end>"


def _check(length: int) -> None:
    if not 1 <= length <= LONGEST:
        raise ValueError(f"length must be from 1 to {LONGEST} letters; got {length}. Try 12.")
