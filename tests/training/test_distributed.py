"""Several processes make the run of one: torchrun starts them here, with gloo and tiny models."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import distributed_probe as probe
import pytest
import torch
import torch.distributed as dist

from tinygpt import training
from tinygpt.training import TrainConfig, World, distributed, world

TESTS = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(
    not (dist.is_available() and dist.is_gloo_available()), reason="this PyTorch was built without gloo"
)


def torchrun(*arguments: str) -> list[str]:
    # --standalone picks a free port, so that tests may run side by side.
    return [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", *arguments]


def environment() -> dict[str, str]:
    paths = os.pathsep.join([str(TESTS), str(TESTS.parent), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": paths, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}


@contextmanager
def running(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """Ends what is still there at the end by SIGTERM: torchrun then ends its processes, which would stay."""
    options = dict(env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with subprocess.Popen(command, **options) as started:
        try:
            yield started
        finally:
            started.terminate()


def run(command: list[str]) -> tuple[str, str]:
    with running(command) as started:
        out, err = started.communicate(timeout=400)
    assert started.returncode == 0, err
    return out, err


CHECKS = "same_losses unequal_beginnings as_ddp not_finite interrupted_and_resumed refused"
CHECKS += " one_writer small_parts sharded"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="module")
def seen(folder: Path) -> list[dict[str, Any]]:
    """What each of two processes saw."""
    run(torchrun(str(TESTS / "distributed_probe.py"), str(folder), *CHECKS.split()))
    return [json.loads((folder / f"seen-{rank}.json").read_text()) for rank in range(2)]


@pytest.fixture(scope="module")
def alone() -> dict[str, tuple[training.Run, list[float]]]:
    """The runs of one process."""
    runs = {}
    for case in probe.CASES:
        model, run = probe.run_of(case, measure={"val loss": probe.val}, every=4, progress=False)
        runs[case] = run, probe.weights(model)
    return runs


def agrees(found: dict[str, Any], run: training.Run, weights: list[float]) -> None:
    assert found["losses"] == pytest.approx(run.losses, rel=1e-5)
    assert found["norms"] == pytest.approx([s.grad_norm for s in run.steps], rel=1e-3)
    assert found["weights"] == pytest.approx(weights, rel=1e-3, abs=1e-3)
    assert found["tokens"] == run.steps[0].tokens


@pytest.mark.parametrize("case", probe.CASES)
def test_two_processes_have_the_losses_of_one(case: str, seen, alone) -> None:
    run, weights = alone[case]
    for found in seen:
        agrees(found["same_losses"][case], run, weights)
    first, second = (found["same_losses"][case] for found in seen)
    assert first["weights"] == second["weights"]  # to the bit: nothing may drift apart
    assert first["measured"]["val loss"][-1] == pytest.approx(run.measured["val loss"][-1], rel=1e-5)
    assert second["measured"] == {}


def test_all_begin_with_the_weights_of_the_first(seen, alone) -> None:
    for found in seen:
        agrees(found["unequal_beginnings"], *alone["tied"])
    first, second = (found["unequal_beginnings"] for found in seen)
    assert first["weights"] == second["weights"]


def test_the_weights_are_those_of_pytorchs_ddp(seen) -> None:
    assert [found["as_ddp"]["furthest"] for found in seen] == [0.0, 0.0]


def test_a_loss_that_is_not_finite_in_one_stops_all(seen, folder: Path) -> None:
    for found in seen:
        assert found["not_finite"]["error"].startswith("step 2: the loss is nan")
    assert len(training.load(folder / "finite").info["run"]["steps"]) == 2


def stopped_and_went_on(both: list[dict[str, Any]], run: training.Run, weights: list[float]) -> None:
    for found in both:
        assert found["stopped"]["interrupted"] and len(found["stopped"]["losses"]) == 4
        assert not found["resumed"]["interrupted"]
        agrees(found["resumed"], run, weights)


def test_ctrl_c_in_one_stops_all_and_the_run_resumes(seen, alone) -> None:
    both = [found["interrupted_and_resumed"] for found in seen]
    stopped_and_went_on(both, *alone["tied"])
    assert both[0]["stopped"]["losses"] == both[1]["stopped"]["losses"]
    assert both[0]["resumed"]["weights"] == both[1]["resumed"]["weights"]


def test_a_batch_that_cannot_be_shared_equally_is_refused(seen) -> None:
    for found in seen:
        assert "7 rows cannot be shared equally by 2 processes. Choose" in found["refused"]["error"]


def test_only_the_first_process_writes(seen) -> None:
    assert [found["one_writer"] for found in seen] == [2, 0]  # after the third step, and at the end


def test_what_a_world_is_made_of(seen) -> None:
    assert [found["size"] for found in seen] == [2, 2]
    for rank, found in enumerate(seen):
        want = {"any": [True, False], "mean": [0.5, 10.0], "first": {"rank": 0}, "rows": [rank, rank + 2]}
        assert found["small_parts"] == want


def test_sharded_weights_give_the_same_losses_and_whole_checkpoints(seen, folder: Path, alone) -> None:
    both = [found["sharded"] for found in seen]
    if "refused" in both[0]:
        assert "Leave --shard out, or take a newer PyTorch" in both[0]["refused"]
        pytest.skip(both[0]["refused"])
    for case in alone.keys() - {"muon"}:
        run, weights = alone[case]
        for found in both:
            agrees(found[case], run, weights)
            assert found[case]["share"] == pytest.approx(0.5, abs=0.1)
            val_loss = found[case]["measured"]["val loss"][-1]
            assert val_loss == pytest.approx(run.measured["val loss"][-1], rel=1e-5)
        kept = training.load(folder / f"sharded-{case}")
        assert probe.weights(kept.model) == pytest.approx(weights, rel=1e-3, abs=1e-3)
    stopped_and_went_on([found["interrupted"] for found in both], *alone["tied"])
    assert not [path for path in folder.iterdir() if "partial" in path.name]


# In one process


def test_one_process_is_a_world_of_its_own() -> None:
    batch = {"x": torch.arange(3)}
    assert world() == World() and world().rows(batch) is batch
    assert (world().any(True), world().mean([1.5]), world().first("a")) == (True, [1.5], "a")


def test_sharding_alone_is_refused() -> None:
    model = probe.GPT(probe.GPTConfig(**probe.SHAPE))
    with pytest.raises(ValueError, match=r"this is the only one. Start them with torchrun .*--no-shard"):
        training.TrainState.start(model, TrainConfig(shard=True))


def test_muon_cannot_be_sharded() -> None:
    with pytest.raises(ValueError, match="muon needs whole matrices, which shard=True cuts"):
        TrainConfig(shard=True, optimizer="muon")


def test_sharding_where_pytorch_cannot_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def scatter(*tensors: torch.Tensor) -> None:
        raise RuntimeError("no support for reduce_scatter")

    monkeypatch.setattr(dist, "reduce_scatter_single", scatter, raising=False)
    monkeypatch.setattr(dist, "get_backend", lambda: "gloo")
    with pytest.raises(ValueError, match=r"cannot shard with gloo \(no support for reduce_scatter\)"):
        distributed._check_scatter(World(0, 2))


def test_more_processes_than_gpus_are_refused() -> None:
    assert distributed._own_gpu(1, gpus=2) == 1
    with pytest.raises(ValueError, match=r"process 2 .* there are 2. Start torchrun with --nproc-per-node 2"):
        distributed._own_gpu(2, gpus=2)


# As it is typed


@pytest.fixture(scope="module")
def argv(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    words, draw = ["the", "model", "reads", "what", "came", "before", "it,", "and\n"], random.Random(0)
    path = tmp_path_factory.mktemp("text") / "words.txt"
    path.write_text(" ".join(draw.choice(words) for _ in range(2500)), encoding="utf-8")
    shape = "--vocab-size 280 --d-model 32 --n-layers 2 --context 16 --batch-size 8 --precision fp32"
    return ["tinygpt", "train", "--data", str(path), *shape.split()]


def losses(out: Path) -> list[float]:
    return [step["loss"] for step in training.load(out).info["run"]["steps"]]


def test_the_command_agrees_on_its_steps_and_prints_once(argv: list[str], tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    printed, progress = run(torchrun("-m", *argv, "--out", str(two), "--minutes", "0.004"))
    steps = len(losses(two))
    assert "device cpu, 1 threads, 2 processes" in printed
    for once in ("model 33,696 parameters", "validation loss", "bits per byte:", "saved", "s in all"):
        assert printed.count(once) == 1, printed
    assert progress.count(f"{steps}/{steps} steps") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["two"]
    run([sys.executable, "-m", *argv, "--out", str(one), "--steps", str(steps)])
    assert losses(two) == pytest.approx(losses(one), rel=1e-3)


@pytest.mark.skipif(os.name == "nt", reason="on Windows a test cannot press Ctrl-C in torchrun alone")
def test_ctrl_c_in_torchrun_keeps_a_run_that_one_process_can_end(argv: list[str], tmp_path: Path) -> None:
    out, whole, steps = tmp_path / "stopped", tmp_path / "whole", ["--steps", "200"]
    command = torchrun("-m", *argv, *steps, "--out", str(out))
    with running(command) as started:
        for line in started.stderr:
            if "/200 steps" in line:
                started.send_signal(signal.SIGINT)
                break
        started.communicate(timeout=400)
    kept = training.load(out).info["run"]
    assert kept["interrupted"] and 0 < len(kept["steps"]) < 200
    run([sys.executable, "-m", "tinygpt", "train", "--resume", "--out", str(out)])
    run([sys.executable, "-m", *argv, *steps, "--out", str(whole)])
    assert losses(out) == pytest.approx(losses(whole), rel=1e-3)
