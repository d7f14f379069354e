"""Every pair says the same in the other order, and the alignment says which word came from where."""

from __future__ import annotations

import pytest
import torch

from tinygpt.data.worlds import TONGUES_WORDS, tongues_text, translations
from tinygpt.data.worlds.tongues import BLANK, ENGLISH, FOREIGN

BATCH = translations(batch_size=400, seed=1)[2]
FOREIGN_OF = {e: f for kind in ENGLISH for e, f in zip(ENGLISH[kind], FOREIGN[kind], strict=True)}
KIND = {word: kind for kind, words in ENGLISH.items() for word in words}


def by_rule(english: list[str]) -> list[str]:
    """Translates by parsing, independently of the slots that made the sentence."""
    verb = next(i for i, word in enumerate(english) if KIND[word] == "verb")
    where = next((i for i, word in enumerate(english) if KIND[word] == "preposition"), len(english))
    subject, object_, place = english[:verb], english[verb + 1 : where], english[where + 1 :]
    words = [*place[::-1], *english[where : where + 1], *subject[::-1], *object_[::-1], english[verb]]
    return [FOREIGN_OF[word] for word in words]


def test_words_are_all_different() -> None:
    assert len(set(TONGUES_WORDS)) == len(TONGUES_WORDS) == 4 + 2 * len(FOREIGN_OF)


def test_every_pair_follows_the_rule() -> None:
    lengths = set()
    for source, inputs in zip(BATCH.source, BATCH.inputs, strict=True):
        english = tongues_text(source).split()
        assert tongues_text(inputs).split() == by_rule(english)
        lengths.add(len(english))
    assert lengths == set(range(3, 9))


def test_inputs_and_targets_are_one_place_apart_and_end_with_the_end() -> None:
    for inputs, targets in zip(BATCH.inputs.tolist(), BATCH.targets.tolist(), strict=True):
        n = targets.index(2)
        assert inputs[0] == 1
        assert inputs[1 : n + 1] == targets[:n]
        assert set(targets[n + 1 :]) <= {-100}
        assert set(inputs[n + 1 :]) <= {0}


def test_the_alignment_points_at_the_word_translated() -> None:
    pairs = zip(BATCH.source.tolist(), BATCH.targets.tolist(), BATCH.alignment.tolist(), strict=True)
    for source, targets, alignment in pairs:
        for target, place in zip(targets, alignment, strict=True):
            if target > 2:
                assert FOREIGN_OF[TONGUES_WORDS[source[place]]] == TONGUES_WORDS[target]
            else:
                assert place == -1
    assert (BATCH.padding == (BATCH.source == 0)).all()


def test_batches_are_functions_of_their_number() -> None:
    assert (translations(400, seed=1).skip(2)[0].source == BATCH.source).all()
    assert not (translations(400, seed=2)[2].source == BATCH.source).all()
    with pytest.raises(ValueError, match="batch_size must be at least 1; got 0"):
        translations(0)


def test_filling_hides_one_word_of_the_same_sentences() -> None:
    fill = translations(400, seed=1, task="fill")[2]
    both = torch.cat([BATCH.source, BATCH.inputs], dim=1)
    hidden = fill.source == BLANK
    assert (hidden.sum(dim=1) == 1).all()
    assert (fill.targets == both[hidden][:, None]).all() and (fill.targets > 2).all()
    assert torch.where(hidden, fill.targets, fill.source).equal(both)
    assert (fill.padding == (both == 0)).all() and (fill.inputs == 1).all()
    share = (hidden.nonzero()[:, 1] < 8).float().mean()
    assert 0.4 < share < 0.6  # either language alike


def test_continuing_is_writing_the_same_sentences_from_nothing() -> None:
    begun = translations(400, seed=1, task="continue")[2]
    assert begun.source.shape == (400, 1) and (begun.source == 1).all() and not begun.padding.any()
    assert begun.inputs.equal(BATCH.inputs) and begun.targets.equal(BATCH.targets)
    assert (begun.alignment == -1).all()


def test_there_are_no_other_tasks() -> None:
    with pytest.raises(ValueError, match="task must be one of translate, fill, continue; got 'tag'"):
        translations(4, task="tag")
