"""`tinygpt train --stage` as it is typed: the chain, its cards, what goes on and what is refused."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tinygpt.cli.main import main
from tinygpt.lineage import SIZES, STAGES, pretraining
from tinygpt.lineage.sizes import Size
from tinygpt.training import load

TINY = Size("ci", 1, 2, 16, 1e-2, 1500, 4, dict.fromkeys(STAGES, 6))


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two stages of a model that learns nothing, with a short exam."""
    monkeypatch.setitem(SIZES, "ci", TINY)
    monkeypatch.setattr(pretraining, "VOCAB_SIZE", 400)
    for name in list(STAGES):
        if name in ("pretrain", "instruct"):
            short = replace(STAGES[name], exam=lambda tok: {"size": lambda model: model.n_parameters})
            monkeypatch.setitem(STAGES, name, short)
        else:
            monkeypatch.delitem(STAGES, name)


def tinygpt_stage(out: Path, *argv: str) -> int:
    return main(["train", "--stage", "all", "--size", "ci", "--out", str(out), *argv])


def weights(out: Path, stage: str) -> torch.Tensor:
    return load(out / f"{stage}.safetensors").model.embed.weight


def test_every_stage_starts_from_the_one_before_and_gets_its_card(tmp_path, capsys):
    assert tinygpt_stage(tmp_path) == 0
    said = capsys.readouterr().out
    for name, after in (("pretrain", None), ("instruct", "pretrain")):
        kept = load(tmp_path / f"{name}.safetensors")
        card = kept.info["card"]
        assert card["after"] == after
        assert card["scores"] == {"size": kept.model.n_parameters}
        assert next(kept.model.parameters()).dtype == torch.bfloat16
        text = (tmp_path / f"{name}.md").read_text(encoding="utf-8")
        assert text in said
        assert f"tinygpt train --stage {name} --size ci --seed 0" in text
        assert card["data_sha256"][:16] in text
    first, second = weights(tmp_path, "pretrain"), weights(tmp_path, "instruct")
    assert 0 < (first - second).abs().max() < 0.2  # trained on, not begun anew


def test_the_same_seed_gives_the_same_lineage_and_another_another(tmp_path):
    for out, seed in (("a", "0"), ("b", "0"), ("c", "1")):
        assert tinygpt_stage(tmp_path / out, "--seed", seed) == 0
    a, b, c = (weights(tmp_path / out, "instruct") for out in "abc")
    assert torch.equal(a, b)
    assert a.shape != c.shape or not torch.equal(a, c)


def test_an_interrupted_lineage_goes_on_where_it_was(tmp_path, monkeypatch, capsys):
    assert tinygpt_stage(tmp_path / "whole") == 0
    recipe = STAGES["instruct"].recipe

    def interrupted(model, tok, size, seed):
        whole = recipe(model, tok, size, seed)

        def make(i: int):
            if i == 3:
                signal.raise_signal(signal.SIGINT)
            return whole.batches[i]

        return replace(whole, batches=type(whole.batches)(make))

    with monkeypatch.context() as patch:
        patch.setitem(STAGES, "instruct", replace(STAGES["instruct"], recipe=interrupted))
        assert tinygpt_stage(tmp_path / "parts") == 130
    assert "--resume goes on" in capsys.readouterr().out
    assert not (tmp_path / "parts" / "instruct.md").exists()
    before = (tmp_path / "parts" / "pretrain.safetensors").stat().st_mtime_ns
    assert tinygpt_stage(tmp_path / "parts", "--resume") == 0
    assert (tmp_path / "parts" / "pretrain.safetensors").stat().st_mtime_ns == before
    assert torch.equal(weights(tmp_path / "parts", "instruct"), weights(tmp_path / "whole", "instruct"))


def test_what_is_there_is_not_replaced_unasked(tmp_path, capsys):
    assert tinygpt_stage(tmp_path) == 0
    assert tinygpt_stage(tmp_path) == 1
    assert "exists" in capsys.readouterr().err
    assert tinygpt_stage(tmp_path, "--overwrite") == 0


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--resume", "--overwrite"], "Give one"),
        (["--start", "m.safetensors"], "begins from nothing"),
    ],
)
def test_contradictions_are_refused(tmp_path, capsys, argv, message):
    assert tinygpt_stage(tmp_path, *argv) == 1
    assert message in capsys.readouterr().err


def test_several_processes_are_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    assert tinygpt_stage(tmp_path) == 1
    assert "without torchrun" in capsys.readouterr().err


def test_an_unknown_stage_is_refused_with_the_known_ones(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--stage", "sing"])
    assert "pretrain" in capsys.readouterr().err
