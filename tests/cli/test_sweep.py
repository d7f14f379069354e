"""`tinygpt sweep`: six runs that are made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinygpt.cli import main
from tinygpt.cli.sweep import SweepOptions, table
from tinygpt.models import cost
from tinygpt.scaling import GRIDS, Result, results
from tinygpt.scaling.almanac import isoflop_grid, shape


def test_the_runs_are_made_shown_and_not_made_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "runs.jsonl"
    assert main(["sweep", "--grid", "ci", "--out", str(out), "--workers", "2"]) == 0
    said, made = capsys.readouterr().out, out.read_bytes()
    found = results(out)
    assert [r.error for r in found] == [""] * len(
        GRIDS["ci"].settings
    ) and f"{len(found)} runs are in {out}" in said
    assert all(f"{r.scores['N']:.6g}" in said and f"{r.scores['loss']:.6g}" in said for r in found)
    assert "the entropy is 1.578" in said
    assert main(["sweep", "--grid", "ci", "--out", str(out)]) == 0 and out.read_bytes() == made


def test_a_budget_is_spent_on_every_size_to_within_a_batch() -> None:
    for setting in isoflop_grid([3e9], [4, 8, 16], [0]):
        spent = 6 * cost(shape(setting["width"])).n_parameters * setting["tokens"]
        assert spent == pytest.approx(3e9, rel=0.01)


def test_the_table_has_no_mean_where_a_run_has_no_score() -> None:
    runs = [Result("m:f", {"x": 1, "seed": seed}, {"steps": steps}) for seed, steps in enumerate((4.0, None))]
    assert table(runs).splitlines()[1].split() == ["1", "-", "2"]


def test_the_table_has_the_mean_of_the_seeds() -> None:
    runs = [Result("m:f", {"width": 8, "seed": s}, {"N": 1000, "loss": 2.0 + s}) for s in (0, 1)]
    assert [line.split() for line in table(runs).splitlines()] == [
        ["width", "N", "loss", "runs"],
        ["8", "1000", "2.5", "2"],
    ]


def test_no_workers_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="--workers must be at least 1; got 0"):
        SweepOptions(workers=0)
