"""The benchmarks' gates run, and its arithmetic is right; no speed is asserted here."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]


@pytest.fixture
def core(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT))
    import benchmarks.core

    return benchmarks.core


WORKS = ["train", "generate", "capture", "imports", "tokenizer", "shakespeare", "align", "speculate"]


@pytest.mark.parametrize("work", WORKS)
def test_gates_hold(work: str) -> None:
    pytest.importorskip("trl" if work == "align" else "transformers")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", work, "--quick"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    skipped = [line for line in done.stdout.splitlines() if line.startswith("skipped")]
    absent = work == "capture" and importlib.util.find_spec("transformer_lens") is None
    assert "[ok]" in done.stdout and len(skipped) == absent
    assert all("transformer_lens is not installed" in line for line in skipped)


def test_a_peer_that_computes_something_else_is_refused(core, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers")
    from benchmarks import train
    from benchmarks.peers import huggingface
    from tinygpt.models import gpt2_shape

    shape = gpt2_shape(32, n_layers=1, n_heads=2, d_model=8, context=8)
    monkeypatch.setattr(train, "SHAPE", shape)
    theirs = huggingface.build(shape)
    train.check(theirs, train._batch(seed=0))
    theirs.transformer.h[0].mlp.act = torch.nn.ReLU()
    with pytest.raises(core.GateFailed, match="logits"):
        train.check(theirs, train._batch(seed=0))


def test_trls_trainer_goes_one_step_at_a_time(core) -> None:
    pytest.importorskip("trl")
    from benchmarks import align
    from benchmarks.peers import trl

    work = align.sft(masked=True)
    made = work.theirs("fp32")
    step = trl.stepped(made)
    weight = made.model.transformer.wte.weight
    seen = []
    for _ in range(trl.REPEATS + 1):  # past the end of an epoch
        step()
        seen.append(weight.detach().clone())
    assert made.state.global_step == trl.REPEATS + 1
    assert not any(torch.equal(a, b) for a, b in pairwise(seen))
    made.compute_loss = None
    with pytest.raises(TypeError):
        step()


def test_taps_are_taken_out_of_code_and_modules(core) -> None:
    from benchmarks.untapped import untapped
    from tinygpt.models import GPT, EncoderDecoder, GPTConfig, taps

    shape = GPTConfig(vocab_size=8, n_layers=2, n_heads=2, d_model=8, context=8, activation="swiglu")
    tokens = torch.tensor([[1, 2, 3]])
    for model, inputs in ((GPT(shape, seed=0), (tokens,)), (EncoderDecoder(shape, seed=0), (tokens, tokens))):
        before, bare = set(taps(model)), untapped(model)
        assert before and set(taps(model)) == before and not taps(bare)
        assert torch.equal(model(*inputs), bare(*inputs))


def test_a_ratio_is_paired_and_per_unit_of_work(core) -> None:
    candidates = [core.Candidate("slow", print), core.Candidate("fast", print, work=2.0, limit=0.5)]
    # The machine slows down threefold in the second round; the ratio does not care.
    samples = {
        "slow": [core.Sample(4.0, 9.0, 0.0), core.Sample(12.0, 9.0, 0.0), core.Sample(4.0, 9.0, 0.0)],
        "fast": [core.Sample(2.0, 9.0, 0.0), core.Sample(6.0, 9.0, 0.0), core.Sample(2.0, 9.0, 0.0)],
    }
    slow, fast = core.rows(candidates, samples, "slow", "cpu")
    assert (slow["ratio"], fast["ratio"], fast["ratio_low"], fast["ratio_high"]) == (1.0, 4.0, 4.0, 4.0)
    assert (fast["rate"], fast["of_limit"]) == (1.0, 0.25)


def test_every_candidate_is_sampled_once_a_round(core) -> None:
    order: list[str] = []
    candidates = [core.Candidate(name, lambda name=name: order.append(name)) for name in "abc"]
    samples = core.measure(candidates, core.Options(rounds=6, seconds=0.0))
    assert [len(taken) for taken in samples.values()] == [6, 6, 6]
    rounds = ["".join(order[i : i + 3]) for i in range(6, len(order), 3)]  # after two warm-up calls each
    assert all(sorted(taken) == ["a", "b", "c"] for taken in rounds) and len(set(rounds)) > 1


def test_seed_noise(core) -> None:
    assert core.within_seed_noise([2.00, 2.02, 2.04], [2.01, 2.03, 2.05])
    assert not core.within_seed_noise([2.00, 2.02, 2.04], [2.10, 2.12, 2.14])


def test_a_report_is_kept_as_json_lines(core, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = core.Options(rounds=2, seconds=0.0, out=tmp_path / "out.jsonl")
    candidates = [core.Candidate("one", lambda: sum(range(1000))), core.Candidate("two", lambda: None)]
    for _ in range(2):
        core.report("sums", "sums/s", candidates, options)
    kept = [json.loads(line) for line in options.out.read_text().splitlines()]
    assert [record["title"] for record in kept] == ["sums", "sums"]
    assert {"rows", "base", "machine", "versions", "options"} <= set(kept[0])
    assert "lowest–highest" in capsys.readouterr().out
