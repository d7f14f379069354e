"""`tinygpt train` as it is typed: whole runs on a small file, resumed ones, and what is refused."""

from __future__ import annotations

import math
import random
import re
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tiny_models import SHAPE, scrambled

from tinygpt import data, training
from tinygpt.cli import train
from tinygpt.cli.main import main
from tinygpt.models import GPTConfig
from tinygpt.tokenizers import train_characters

SMALL = ["--vocab-size", "300", "--d-model", "32", "--n-layers", "2", "--context", "16", "--batch-size", "8"]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = ["the", "model", "reads", "naïve", "tokens,", "Zürich", "日本", "🙂", "and", "what", "came\n"]
    draw = random.Random(0)
    path = tmp_path_factory.mktemp("text") / "words.txt"
    path.write_text(" ".join(draw.choice(words) for _ in range(2500)), encoding="utf-8")
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "m.safetensors"


def tinygpt_train(text: Path, out: Path, *argv: str) -> int:
    return main(["train", "--data", str(text), "--out", str(out), *SMALL, *argv])


def losses(out: Path) -> list[float]:
    return [step["loss"] for step in training.load(out).info["run"]["steps"]]


def interrupted_at(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Presses Ctrl-C while a batch is fetched."""
    whole = data.batches

    def batches(*args, **options) -> data.Stream:
        stream = whole(*args, **options)

        def make(i: int):
            if i == batch:
                signal.raise_signal(signal.SIGINT)
            return stream[i]

        return data.Stream(make)

    monkeypatch.setattr(data, "batches", batches)


def test_it_trains_saves_and_is_sampled_from(text: Path, out: Path, capsys) -> None:
    shape = ["--position", "alibi", "--no-tied", "--n-kv-heads", "2"]
    assert tinygpt_train(text, out, "--steps", "20", "--lr", "0.01", *shape) == 0
    printed = capsys.readouterr()
    kept = training.load(out)
    want = dict(vocab_size=300, d_model=32, context=16, position="alibi", tied=False, n_kv_heads=2)
    assert {name: getattr(kept.model.config, name) for name in want} == want
    assert kept.info["train_config"]["lr"] == 0.01
    assert losses(out)[0] == pytest.approx(math.log(300), abs=0.3)
    assert losses(out)[-1] < losses(out)[0] - 0.5

    tokens = train.read(str(text), 300, kept.tokenizer)
    loss = train.val_loss(kept.model, tokens.val, 16)
    bits = tokens.bits_per_byte(loss)
    assert f"validation loss {loss:.3f} nats per token = {bits:.3f} bits per byte" in printed.out
    assert re.search(r"\d tokens/s · \d+ s in steps\n", printed.out)
    assert re.search(r"\n\d+ s in all, with the tokenizer and the validation\n", printed.out)
    assert "20/20" in printed.err and "tokens/s" in printed.err

    assert main(["sample", str(out), "--prompt", "the model", "--tokens", "5"]) == 0
    assert "\nthe model" in capsys.readouterr().out


def test_an_interrupted_and_resumed_run_is_the_unbroken_one(
    text: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    argv = ["--steps", "12", "--seed", "3", "--lr", "0.01"]
    assert tinygpt_train(text, tmp_path / "whole", *argv) == 0
    with monkeypatch.context() as patch:
        interrupted_at(6, patch)
        assert tinygpt_train(text, out, *argv) == 130
    assert len(losses(out)) == 7
    assert "stopped at 7 of 12" in capsys.readouterr().out
    assert main(["train", "--out", str(out), "--resume"]) == 0
    assert losses(out) == losses(tmp_path / "whole")


def test_resume_begins_where_there_is_nothing_yet(text: Path, out: Path) -> None:
    assert tinygpt_train(text, out, "--steps", "2", "--resume") == 0
    assert len(losses(out)) == 2


def test_a_finished_run_goes_on_with_more_steps(text: Path, out: Path, capsys) -> None:
    assert tinygpt_train(text, out, "--steps", "3") == 0
    assert tinygpt_train(text, out, "--resume") == 0
    assert "3 steps made; a larger --steps goes on" in capsys.readouterr().out
    first = losses(out)
    assert tinygpt_train(text, out, "--resume", "--steps", "5") == 0
    assert losses(out)[:3] == first and len(losses(out)) == 5
    assert tinygpt_train(text, out, "--resume", "--steps", "4") == 1
    assert "has made 5 steps; got --steps 4. Ask for more" in capsys.readouterr().err


OTHER = {"seed": "3", "lr": "0.5", "d-model": "64", "data": "x", "minutes": "1", "vocab-size": "400"}


@pytest.mark.parametrize(("name", "value"), OTHER.items())
def test_a_resumed_run_refuses_other_options(name: str, value: str, text: Path, out: Path, capsys) -> None:
    assert tinygpt_train(text, out, "--steps", "2", "--seed", "1") == 0
    before = out.read_bytes()
    assert main(["train", "--out", str(out), "--resume", f"--{name}", value]) == 1
    err = capsys.readouterr().err
    assert f"was begun with --{name} " in err and f"; got {value}" in err and "Only --steps" in err
    assert out.read_bytes() == before


def test_a_resumed_run_refuses_another_text(text: Path, out: Path, tmp_path: Path, capsys) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_bytes(text.read_bytes())
    assert tinygpt_train(mine, out, "--steps", "2") == 0
    mine.write_bytes(text.read_bytes() + b" more")
    assert tinygpt_train(mine, out, "--resume") == 1
    assert "is no longer the text" in capsys.readouterr().err


def test_only_its_own_runs_are_gone_on_with(out: Path, capsys) -> None:
    training.save(out, scrambled(GPTConfig(**SHAPE)), tokenizer=train_characters(["ab"]))
    assert main(["train", "--out", str(out), "--resume"]) == 1
    assert "was not written by `tinygpt train`" in capsys.readouterr().err


def test_an_existing_file_is_replaced_only_when_asked(text: Path, out: Path, capsys) -> None:
    out.write_text("precious")
    assert tinygpt_train(text, out, "--steps", "2") == 1
    assert "Use --resume to go on from it, --overwrite, or another --out" in capsys.readouterr().err
    assert out.read_text() == "precious"
    assert tinygpt_train(text, out, "--steps", "2", "--overwrite") == 0
    assert len(losses(out)) == 2


ERRORS = {
    "no such file": (["--data", "nowhere.txt"], "no file nowhere.txt. --data takes"),
    "not text": (["--data", "BINARY"], "is not text in UTF-8"),
    "short text": (["--data", "SHORT"], "vocab_size"),
    "short validation": (["--context", "5000"], "too few; --context 5000 needs 5001"),
    "shape": (["--data", "nowhere.txt", "--d-model", "130"], "got 130 and 4. Try 128 or 132"),
    "no steps": (["--steps", "0"], "steps must be at least 1; got 0"),
    "no time": (["--minutes", "0"], "--minutes must be positive; got 0"),
    "no rows": (["--batch-size", "0"], "batch_size must be at least 1"),
    "vocabulary": (["--vocab-size", "20"], "vocab_size"),
    "contradiction": (["--resume", "--overwrite"], "Give one of them"),
    "not finite": (["--lr", "1e30", "--steps", "9"], "Lower lr"),
}


@pytest.mark.parametrize(("argv", "message"), ERRORS.values(), ids=ERRORS)
def test_errors_are_one_line_and_leave_no_file_of_no_use(
    argv: list[str], message: str, text: Path, out: Path, tmp_path: Path, capsys
) -> None:
    files = {"BINARY": b"\xff\xfe\x00", "SHORT": b"too short"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    assert tinygpt_train(text, out, *(str(tmp_path / a) if a in files else a for a in argv)) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("tinygpt train: ") and message in last
    assert not out.exists() or len(losses(out)) >= 1


def test_minutes_become_steps_by_the_measured_speed(
    text: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trial(model, batches, loss_fn, config):
        slow_start = [90.0] * 3 + [4.0] * (config.steps - 3)
        for i, seconds in enumerate(slow_start):
            yield training.Step(i, 1.0, config.lr, 1.0, 128, seconds)

    monkeypatch.setattr(training, "train_steps", trial)
    assert tinygpt_train(text, out, "--minutes", "1") == 0
    assert len(losses(out)) == int(0.95 * 60 / 4)
    assert training.load(out).info["train_config"]["warmup"] == 1


def test_measuring_the_speed_changes_nothing(text: Path) -> None:
    given = train.parse(["--data", str(text), *SMALL, "--steps", "5"])
    job = train.begun(given, torch.device("cpu"))
    before = [p.clone() for p in job.model.parameters()]
    assert train.steps_in(1e-9, job) == 10
    assert all(torch.equal(a, b) for a, b in zip(before, job.model.parameters(), strict=True))


def test_what_is_given_goes_before_what_is_chosen(text: Path) -> None:
    given = train.parse(["--data", str(text), *SMALL, "--steps", "50", "--warmup", "7"])
    assert train.begun(given, torch.device("cpu")).config.warmup == 7


def test_the_seed_is_that_of_the_weights_and_of_the_order(text: Path) -> None:
    argv = ["--data", str(text), *SMALL, "--steps", "5", "--seed"]
    one, same, two = (train.begun(train.parse([*argv, s]), torch.device("cpu")) for s in "112")
    assert torch.equal(one.model.embed.weight, same.model.embed.weight)
    assert torch.equal(one.batches[0][0], same.batches[0][0])
    assert not torch.equal(one.model.embed.weight, two.model.embed.weight)
    assert not torch.equal(one.batches[0][0], two.batches[0][0])


def test_validation_loss_is_the_mean_over_tokens() -> None:
    model = scrambled(GPTConfig(**SHAPE))
    tokens = np.random.default_rng(0).integers(31, size=16 * 33 + 5).astype(np.uint16)
    ids = torch.from_numpy(tokens[: 16 * 33 + 1].astype(np.int64))
    want = F.cross_entropy(model(ids[:-1].view(33, 16)).flatten(0, 1), ids[1:])
    assert train.val_loss(model, tokens, 16) == pytest.approx(want.item(), rel=1e-2)
    first = F.cross_entropy(model(ids[:32].view(2, 16)).flatten(0, 1), ids[1:33])
    assert train.val_loss(model, tokens, 16, most=40) == pytest.approx(first.item(), rel=1e-2)


def test_a_token_for_each_character(text: Path, out: Path, capsys) -> None:
    assert tinygpt_train(text, out, "--characters", "--steps", "3") == 0
    kept = training.load(out)
    known = sorted(set(text.read_text(encoding="utf-8")))
    assert kept.tokenizer == train_characters("".join(known))
    assert kept.model.config.vocab_size == len(known)
    assert tinygpt_train(text, out, "--resume", "--steps", "5") == 0
    assert len(losses(out)) == 5 and training.load(out).tokenizer == kept.tokenizer
