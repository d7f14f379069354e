import random
from itertools import islice

import pytest

from tinygpt.data.worlds import brambleford, brambleford_facts, first_mistake

DOCUMENTS = list(islice(brambleford(seed=5), 200))


def test_every_document_and_every_beginning_of_one_is_possible() -> None:
    assert {document.kind for document in DOCUMENTS} == {"story", "bio", "note", "sums", "lists", "voices"}
    for document in DOCUMENTS:
        assert first_mistake(document.text, ended=True) is None
        words = document.text.split()
        assert first_mistake(" ".join(words[: len(words) // 2])) is None


def test_the_first_mistake_is_where_no_document_goes_on() -> None:
    """Words that other documents put after the same beginning are no mistakes; a word from nowhere is."""
    rng = random.Random(0)
    for document in DOCUMENTS:
        words = document.text.split()
        place = rng.randrange(len(words))
        assert first_mistake(" ".join([*words[:place], "dragon", *words[place + 1 :]])) == place


def test_a_swapped_word_is_noticed_there_or_later() -> None:
    rng, vocabulary, missed = random.Random(0), sorted({w for d in DOCUMENTS for w in d.text.split()}), 0
    for document in DOCUMENTS:
        words = document.text.split()
        place, word = rng.randrange(len(words)), rng.choice(vocabulary)
        found = first_mistake(" ".join([*words[:place], word, *words[place + 1 :]]), ended=True)
        missed += found is None
        assert found is None or found >= place
    assert missed < 0.05 * len(DOCUMENTS)


HOME = brambleford_facts()["ada"]["home"]
NOWHERE = next(p for p in ("mill", "barn") if p != HOME)
NOTE = "note : oki keeps a fox . pru eats jam . rex likes red ."


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (f"ada lives in the {HOME} .", None),
        (f"ada lives in the {NOWHERE} .", 4),
        (f"oki lives in the {HOME} .", 0),  # strangers have no facts
        (f"ada lives in the {HOME} . ada lives", 7),  # each fact once
        (f"ada lives in the {HOME} . ben", 6),
        (f"{NOTE} ask : what does oki keep ? reply : a fox .", None),
        (f"{NOTE} ask : what does oki keep ? reply : a hen .", 25),
        (f"{NOTE} ask : what does oki eat", 20),  # the note does not say
        ("note : oki keeps a fox . oki", 7),
        ("0 3 + 1 2 = 1 5 . 9 9 + 0 1", 13),
        ("list : fox key jam . again : fox jam", 9),
        ("list : fox key .", 4),  # three words at least
        ("list : fox key jam red bee pie hat", 8),  # six at most
        ("list : fox key jam . again : fox key jam . last : jam .", None),
        ("list : fox key jam . again : fox key jam . last : fox .", 14),
        ("once there was a shy fox named ada . ada lived in the mill . one day ben", 17),
        ("once there was a shy fox named ada . ada lived in the mill . the end", 15),
        (
            "in the mill lived a shy fox . the name of the fox was ada . "
            "one day ada found a red key . but ada",
            25,  # the friend is somebody else
        ),
        ("the pirate said : ahoy matey ! ye will find the fox", 11),
        ("", None),
    ],
)
def test_what_counts_as_a_mistake(text: str, place: int | None) -> None:
    assert first_mistake(text) == place


@pytest.mark.parametrize("text", ["", "the end .", "0 3 + 1 2 = 1 5 .", "list : fox key jam ."])
def test_an_end_too_early_is_a_mistake(text: str) -> None:
    place = first_mistake(text)
    assert first_mistake(text, ended=True) == (len(text.split()) if place is None else place)


def test_more_after_the_end_is_a_mistake() -> None:
    for document in DOCUMENTS[:50]:
        if document.kind != "lists":  # a list may go on with a question
            assert first_mistake(document.text + " the") == len(document.text.split())
