"""Runs on text: what they read, what they return, and when a loss was reached."""

from __future__ import annotations

import math
from itertools import islice

import numpy as np
import pytest
import torch

from tinygpt.data.worlds import brambleford
from tinygpt.scaling import text, village
from tinygpt.scaling.text import encoded, small_gpt, text_run
from tinygpt.scaling.village import LOSSES, batch_run, steps_to, width_run


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Both corpora are a few thousand tokens that repeat a pattern of 64."""
    tokens = np.tile(np.random.default_rng(0).permutation(512)[:64], 300).astype(np.uint16)
    exam = np.tile(tokens[:64], 900)
    monkeypatch.setattr(text, "corpus", lambda: (tokens, exam, "hash"))
    monkeypatch.setattr(village, "village", lambda: (tokens, exam))
    return tokens


def test_text_is_learnt_and_its_hash_comes_along(short: np.ndarray) -> None:
    scores = text_run({"width": 8, "tokens": 18_000, "seed": 0})
    assert scores["sha256"] == "hash" and scores["D"] == round(18_000 / 512) * 512
    assert scores["N"] == small_gpt(8, 64, 0).n_parameters
    assert scores["loss"] < math.log(512) - 0.5


def test_no_text_is_read_twice(short: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"at most 19,200, or text comes twice; got 20,000"):
        text_run({"width": 8, "tokens": 20_000, "seed": 0})


def test_the_tokenizer_learns_from_the_first_texts_and_ends_each() -> None:
    documents = [document.text for document in islice(brambleford(seed=0), 500)]
    train, exam = encoded(documents, ["the mill", "quorum"])
    assert (train == train[-1]).sum() == 500 and (exam == train[-1]).sum() == 2
    known, unknown = np.split(exam, np.flatnonzero(exam == train[-1])[:1])
    assert len(known) < len(unknown) - 1  # a word that was not seen falls into pieces


def test_logits_start_at_zero() -> None:
    assert not small_gpt(16, 8, 0)(torch.zeros(1, 8, dtype=torch.long)).any()


def test_a_width_run_takes_its_rate_and_its_rule_from_the_setting(
    short: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(village, "STEPS", 4)
    setting = {"width": 32, "lr": 2.0**-6, "base_width": None, "seed": 0}
    plain = width_run(setting)
    assert plain["D"] == village.STEPS * village.ROWS * village.CONTEXT and plain == width_run(setting)
    for change in ({"lr": 2.0**-7}, {"base_width": 16}, {"seed": 1}):
        assert width_run(setting | change)["loss"] != plain["loss"]


def test_a_batch_run_tells_when_it_came_by_each_loss(short: np.ndarray) -> None:
    scores = batch_run({"rows": 8, "lr": 0.01, "seed": 0})
    steps = [scores[f"to {loss}"] for loss in LOSSES]
    assert steps == sorted(steps) and steps[0] > 8
    larger = batch_run({"rows": 64, "lr": 0.01, "seed": 0})
    assert larger[f"to {LOSSES[-1]}"] < steps[-1]


def test_steps_to_a_loss_lie_between_two_measurements() -> None:
    curve = [(10, 4.0), (20, 3.0), (40, 3.2), (80, 2.0)]
    assert steps_to(3.5, curve) == pytest.approx(10 * 2**0.5, abs=0.01)
    assert steps_to(3.0, curve) == 20
    assert steps_to(2.6, curve) == pytest.approx(40 * 2**0.5, abs=0.01)
    assert steps_to(1.9, curve) is None
