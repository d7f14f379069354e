"""Runs that read the same rows several times."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import Any

import numpy as np
import pytest

from tinygpt.data.worlds import almanac_entropy
from tinygpt.scaling import repeats, shipped
from tinygpt.scaling.almanac import ROWS, TOKENS
from tinygpt.scaling.repeats import EPOCHS, READ, repeats_grid, repeats_run

FEW = {"width": 8, "unique": 2 * ROWS * TOKENS, "seed": 0}


def batches_of(setting: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> list[list[tuple[int, ...]]]:
    """The rows of each batch that a run trains on, without training."""
    found: list[list[tuple[int, ...]]] = []

    def reads(model: object, batches: Any, *, config: Any, **_: object) -> None:
        for inputs, targets in islice(batches, config.steps):
            found.append([(*a, b) for a, b in zip(inputs.tolist(), targets[:, -1].tolist(), strict=True)])

    monkeypatch.setattr(repeats, "fit", reads)
    repeats_run(setting)
    return found


def test_each_epoch_has_every_row_once_in_another_order(monkeypatch: pytest.MonkeyPatch) -> None:
    four = batches_of({**FEW, "epochs": 2}, monkeypatch)
    first, second = four[0] + four[1], four[2] + four[3]
    once = batches_of({**FEW, "epochs": 1}, monkeypatch)
    assert len(four) == 4 and len(once) == 2
    assert Counter(first) == Counter(second) == Counter(once[0] + once[1])
    assert first != second


def test_another_seed_reads_other_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = (batches_of({**FEW, "epochs": 1, "seed": seed}, monkeypatch) for seed in (0, 1))
    assert Counter(here[0] + here[1]) != Counter(there[0] + there[1])


def test_all_runs_of_the_grid_read_equally_much_or_once() -> None:
    settings = repeats_grid()
    assert len({tuple(setting.values()) for setting in settings}) == len(settings)
    for setting in settings:
        assert setting["epochs"] == 1 or setting["unique"] * setting["epochs"] == READ
        assert setting["unique"] % (ROWS * TOKENS) == 0


def test_many_epochs_over_few_rows_are_learnt_by_heart() -> None:
    scores = repeats_run({"width": 64, "unique": 10 * ROWS * TOKENS, "epochs": 20, "seed": 0})
    assert scores["D"] == 200 * ROWS * TOKENS
    assert scores["loss"] == pytest.approx(scores["excess"] + almanac_entropy())
    assert scores["seen"] < scores["loss"] - 0.3


def test_four_epochs_are_nearly_as_good_as_new_and_sixteen_cost_the_largest_model_most() -> None:
    def excess(width: int, epochs: int) -> np.ndarray:
        want = {"width": width, "unique": READ // epochs, "epochs": epochs}
        found = [result for result in shipped("repeats") if want.items() <= result.setting.items()]
        found.sort(key=lambda result: result.setting["seed"])
        return np.array([result.scores["excess"] for result in found])

    rises = [excess(width, EPOCHS[4]) / excess(width, 1) for width in (8, 24, 64)]
    assert all((excess(width, 4) < 1.15 * excess(width, 1)).all() for width in (8, 24, 64))
    assert (rises[0] < rises[1]).all() and (rises[1] < rises[2]).all() and rises[2].min() > 1.5
