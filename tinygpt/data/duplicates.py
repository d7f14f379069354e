"""Documents that say what another document said already, word for word or nearly."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable


def near_duplicates(documents: Iterable[str], *, width: int = 5, share: float = 0.5) -> list[int]:
    """The numbers of the documents of which an earlier one says the same, or nearly.

    Of two documents, compare their runs of `width` words: the runs in both over the runs in either, their
    Jaccard similarity. From `share` on, the later one is a copy. Only documents that were kept are compared
    with, so the first of several copies always stays.

    Args:
        documents: Texts, in the order in which the first is to be kept.
        width: Words in a run; shorter runs also find what is written to one pattern. A shorter document is
            one run.
        share: Similarity from which on a document is a copy, above 0 and at most 1.

    Returns:
        Numbers in rising order.

    Raises:
        ValueError: The width is below 1, or the share is not above 0 and at most 1.

    Example:
        >>> near_duplicates(["a b c d e f g h", "i j k l m n", "a b c d e f g x"], width=3)
        [2]

    Source: Broder 1997, "On the resemblance and containment of documents", section 2, with all runs instead
        of a sketch of them; Lee et al. 2022, "Deduplicating training data makes language models better".
    """
    if width < 1 or not 0 < share <= 1:
        raise ValueError(
            f"width must be at least 1, and share above 0 and at most 1; got {width} and {share}. "
            "Try width=5 and share=0.5."
        )
    holders: dict[int, list[int]] = defaultdict(list)  # of each run, by its hash: the documents that have it
    sizes: dict[int, int] = {}
    copies = []
    for number, document in enumerate(documents):
        runs = _runs(document.split(), width)
        common = Counter(holder for run in runs for holder in holders.get(run, ()))
        if any(n >= share * (len(runs) + sizes[holder] - n) for holder, n in common.items()):
            copies.append(number)
            continue
        sizes[number] = len(runs)
        for run in runs:
            holders[run].append(number)
    return copies


def _runs(words: list[str], width: int) -> set[int]:
    last = max(1, len(words) - width + 1)
    return {hash(tuple(words[i : i + width])) for i in range(last)}
