"""Merges applied to one word: a single one, or all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import heapify, heappop, heappush
from itertools import pairwise


def merge(ids: list[int], pair: tuple[int, int], new: int) -> list[int]:
    """The ids with every occurrence of the pair, from left to right, replaced by the new id.

    Example:
        >>> merge([1, 1, 1, 2], (1, 1), 9)
        [9, 1, 2]
    """
    left, right = pair
    merged, i, last = [], 0, len(ids) - 1
    while i <= last:
        if ids[i] == left and i < last and ids[i + 1] == right:
            merged.append(new)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    return merged


def merge_all(ids: Iterable[int], ranks: Mapping[tuple[int, int], int]) -> list[int]:
    """The ids with all merges applied, in time n log n: the lowest rank first, then the leftmost place.

    Args:
        ids: Any number of ids.
        ranks: The id that each pair merges into.

    Example:
        >>> merge_all([1, 1, 1, 2], {(1, 1): 8, (8, 1): 9})
        [9, 2]
    """
    ids = list(ids)
    n = len(ids)
    before, after = list(range(-1, n - 1)), list(range(1, n + 1))
    queue = [(ranks[pair], i) for i, pair in enumerate(pairwise(ids)) if pair in ranks]
    heapify(queue)
    while queue:
        new, i = heappop(queue)
        j = after[i]
        if j == n or ranks.get((ids[i], ids[j])) != new:
            continue  # one of the two was merged meanwhile
        ids[i], ids[j] = new, -1
        after[i] = k = after[j]
        if k < n:
            before[k] = i
        for left, right in ((before[i], i), (i, k)):
            made = ranks.get((ids[left], ids[right])) if left >= 0 and right < n else None
            if made is not None:
                heappush(queue, (made, left))
    return [i for i in ids if i >= 0]
