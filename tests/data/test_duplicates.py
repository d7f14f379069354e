"""Near duplicates: what is similar, which one stays, and copies planted among texts of a world."""

from __future__ import annotations

import random
from itertools import islice

import pytest

from tinygpt.data import near_duplicates
from tinygpt.data.worlds import brambleford


def runs(text: str, width: int) -> set[tuple[str, ...]]:
    words = text.split()
    return {tuple(words[i : i + width]) for i in range(max(1, len(words) - width + 1))}


def by_definition(documents: list[str], width: int, share: float) -> list[int]:
    """Every document against every earlier one that was kept."""
    kept: list[str] = []
    copies = []
    for i, document in enumerate(documents):
        mine = runs(document, width)
        if any(len(mine & runs(o, width)) / len(mine | runs(o, width)) >= share for o in kept):
            copies.append(i)
        else:
            kept.append(document)
    return copies


@pytest.mark.parametrize("width", [1, 2, 4])
@pytest.mark.parametrize("share", [0.2, 0.5, 1.0])
def test_it_is_the_definition(width: int, share: float) -> None:
    draw = random.Random(0)
    documents = [" ".join(draw.choices("abc", k=draw.randrange(9))) for _ in range(60)]
    found = near_duplicates(documents, width=width, share=share)
    assert found == by_definition(documents, width, share)
    assert found


def test_a_copy_of_a_copy_is_compared_with_what_was_kept() -> None:
    chain = ["a b c d e f", "a b c d e x", "a b c d y x"]
    assert near_duplicates(chain, width=1, share=0.6) == [1]


def test_short_documents_are_one_run() -> None:
    assert near_duplicates(["one two", "one", "one two", "", ""], width=5) == [2, 4]


def test_planted_copies_are_found_and_nothing_else() -> None:
    texts = [document.text for document in islice(brambleford(seed=0), 300) if document.kind != "sums"]
    texts = [texts[i] for i in range(len(texts)) if i not in set(near_duplicates(texts))]
    draw, planted = random.Random(0), []
    for text in texts[:40]:
        words = text.split()
        words[draw.randrange(len(words))] = "thing"
        planted.append(" ".join(words))
    long = {len(texts) + i for i, text in enumerate(planted) if len(text.split()) > 25}
    found = set(near_duplicates([*texts, *planted]))
    assert long <= found <= set(range(len(texts), len(texts) + 40))


@pytest.mark.parametrize(("width", "share"), [(0, 0.5), (5, 0.0), (5, 1.1)])
def test_impossible_options_are_explained(width: int, share: float) -> None:
    with pytest.raises(ValueError, match=rf"got {width} and {share}\. Try width=5"):
        near_duplicates(["a"], width=width, share=share)
