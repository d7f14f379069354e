"""What each stage is trained on."""

from __future__ import annotations

import random
from collections import Counter

import pytest
import torch

from tinygpt.alignment import chat_ids
from tinygpt.data.worlds import request, story_end, sum_request
from tinygpt.lineage import preferring, reasoning, thinking
from tinygpt.lineage.answers import Answer
from tinygpt.lineage.pretraining import END
from tinygpt.lineage.recipe import sha256
from tinygpt.lineage.replay import with_texts
from tinygpt.models import GPT, GPTConfig


def test_texts_stand_between_chats_and_all_of_them_counts(tok):
    chat, text = [("user", "ada ?"), ("assistant", "the mill .")], "ada lives in the mill ."
    inputs, targets = with_texts(lambda rng: chat, [text], tok, batch_size=400, seed=0, share=0.25)[0]
    end = tok.special_tokens[END]
    texts = inputs[:, 0] == end
    assert 0.15 < texts.float().mean() < 0.35
    whole = [*tok.encode(text), end]
    assert targets[texts][0][targets[texts][0] >= 0].tolist() == whole
    counted = targets[~texts][0]
    ids, answer = chat_ids(tok, chat)
    assert counted[counted >= 0].tolist() == [i for i, counts in zip(ids, answer, strict=True) if counts]


def test_batches_are_a_function_of_the_seed(tok):
    streams = [
        with_texts(lambda rng: request(rng).messages, ["a text ."], tok, 8, seed) for seed in (0, 0, 1)
    ]
    first, again, other = (stream[3][0] for stream in streams)
    assert torch.equal(first, again)
    assert first.shape != other.shape or not torch.equal(first, other)


def test_careless_sums_have_two_to_five_terms_and_some_are_wrong():
    rng = random.Random(0)
    terms, right = Counter(), 0
    for _ in range(500):
        (_, asked), (_, said) = thinking.careless_sum(rng)
        numbers = [
            int(part.replace(" ", "")) for part in asked.removeprefix("think : what is ")[:-2].split(" + ")
        ]
        terms[len(numbers)] += 1
        right += said == sum_request(numbers, think=True).answer
    assert set(terms) == {2, 3, 4, 5}
    assert 0.5 < right / 500 < 0.85  # (1 − .15)^steps, over one to four steps


@pytest.mark.parametrize(
    ("said", "reward"),
    [
        ("0 1 + 0 2 = 0 3 . so 0 3 .", 1.0),
        ("so 0 3 .", 1.0),  # the steps are not looked at
        ("0 1 + 0 2 = 0 3 . so 0 4 .", 0.0),
        ("0 1 + 0 2 = 0 3 .", 0.0),
        ("so 0 3 . so 0 4 .", 0.0),
        ("so 0 3 . so", 0.0),
        ("so 0 3", 0.0),
        ("", 0.0),
    ],
)
def test_only_the_result_is_rewarded(said, reward):
    assert reasoning.right_result(said, sum_request([1, 2], think=True).answer) == reward


def stories(monkeypatch: pytest.MonkeyPatch, *told: str) -> None:
    """Lets every model tell these stories in turn."""
    monkeypatch.setattr(
        preferring,
        "answers",
        lambda model, tok, wishes, group, seed: [
            Answer(told[i % len(told)], True) for i in range(group * len(wishes))
        ],
    )


@pytest.fixture(scope="module")
def ends() -> dict[str, str]:
    rng, found = random.Random(0), {}
    while set(found) != {"good", "bad"}:
        told = request(rng, ["story"]).answer
        found[story_end(told)] = told
    return found


def test_the_story_with_the_good_end_is_preferred(tok, ends, monkeypatch):
    model = GPT(GPTConfig(vocab_size=tok.vocab_size, n_layers=1, d_model=8, n_heads=1))
    for told in ((ends["good"], ends["bad"]), (ends["bad"], ends["good"])):
        stories(monkeypatch, *told)
        pairs = preferring.preferences(model, tok, 20, seed=0, noise=0.0)
        assert [(pair.chosen, pair.rejected) for pair in pairs] == [(ends["good"], ends["bad"])] * 20


def test_readers_err_as_often_as_said_and_equal_ends_make_no_pair(tok, ends, monkeypatch):
    model = GPT(GPTConfig(vocab_size=tok.vocab_size, n_layers=1, d_model=8, n_heads=1))
    stories(monkeypatch, ends["good"], ends["bad"])
    chosen = [pair.chosen for pair in preferring.preferences(model, tok, 1000, seed=0, noise=0.2)]
    assert 0.15 < chosen.count(ends["bad"]) / 1000 < 0.25
    for other in (ends["good"], "no story ."):
        stories(monkeypatch, ends["good"], other)
        assert preferring.preferences(model, tok, 20, seed=0) == []


def test_a_hash_tells_cuts_apart():
    assert sha256(["ab", "c"]) == sha256(iter(["ab", "c"]))
    assert len({sha256(["ab", "c"]), sha256(["a", "bc"]), sha256(["abc"])}) == 3
