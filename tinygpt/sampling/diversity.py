"""How much texts repeat themselves and each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def distinct(texts: Iterable[Sequence[Any]], n: int = 4) -> float:
    """Returns distinct-n, the share of different ones among all runs of n: 1 when no run comes twice.

    distinct-n = |{runs of n}| / number of runs of n

    More texts have a lower share, so compare equally many of equal lengths. Of a single text, 1 − distinct-n
    is how much of it was there before.

    Args:
        texts: each a sequence of words or of ids.
        n: length of a run, at least 1.

    Returns:
        A share; 0 when no text is as long as n.

    Raises:
        ValueError: when n is below 1, or a text is a string: its runs would be of letters.

    Example:
        >>> distinct(["a b a b a b".split()], n=2)
        0.4

    Source: Li et al. 2016, "A Diversity-Promoting Objective Function", section 5.2, who take n = 1 and 2.
    """
    texts = list(texts)
    if n < 1 or any(isinstance(text, str) for text in texts):
        raise ValueError(f"distinct needs n of at least 1, got {n}, and texts as words or ids: text.split().")
    runs = [tuple(text[i : i + n]) for text in texts for i in range(len(text) - n + 1)]
    return len(set(runs)) / max(1, len(runs))
