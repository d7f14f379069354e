"""Checkpoints: what is saved comes back, a resumed run is the unbroken run, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tiny_models import SHAPE, VARIANTS, scrambled, tokens

import tinygpt.training.checkpoint as checkpoint
from tinygpt import data
from tinygpt.models import GPT, GPTConfig, uncompiled
from tinygpt.tokenizers import train_characters
from tinygpt.training import TrainConfig, TrainState, fit, load, next_token_loss, restore, save

CONFIG = GPTConfig(**SHAPE)


def batches() -> data.Stream:
    return data.worlds.repeats(batch_size=8, length=16, vocab_size=31, seed=0)


def noisy_loss(model, batch):
    """Uses the global generator, so that a resumed run must have put it back too."""
    return next_token_loss(model, batch) * (1 + 0.1 * torch.rand(()))


@pytest.mark.parametrize("config", [*VARIANTS[:3], GPTConfig(**SHAPE, tied=False)], ids=str)
def test_model_and_tokenizer_come_back(config: GPTConfig, tmp_path: Path) -> None:
    model, tokenizer = scrambled(config), train_characters(["abc"])
    save(tmp_path / "deep" / "m.safetensors", model, tokenizer=tokenizer, info={"note": "ü"})
    kept = load(tmp_path / "deep" / "m.safetensors")
    assert torch.equal(kept.model(tokens(config)), model(tokens(config)))
    assert kept.tokenizer == tokenizer and kept.info == {"note": "ü"}
    assert (kept.model.head.weight is kept.model.embed.weight) == config.tied


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("plain_iterator", [False, True])
def test_a_resumed_run_is_the_unbroken_run_bit_for_bit(
    tmp_path: Path, precision: str, plain_iterator: bool, optimizer: str
) -> None:
    config = TrainConfig(steps=9, lr=1e-2, warmup=3, accumulate=2, precision=precision, optimizer=optimizer)
    options = {"config": config, "progress": False, "every": 2}

    torch.manual_seed(5)
    whole = GPT(CONFIG, seed=0)
    unbroken = fit(whole, batches(), noisy_loss, **options)

    torch.manual_seed(5)
    path = tmp_path / "run.safetensors"
    first = GPT(CONFIG, seed=0)
    stop = stop_after(first, 8)
    broken = fit(first, batches(), noisy_loss, checkpoint=path, stop=stop, **options)
    assert broken.interrupted and len(broken.steps) == 4

    torch.manual_seed(6)
    second = GPT(CONFIG, seed=1)
    source = iter(batches()) if plain_iterator else batches()
    resumed = fit(second, source, noisy_loss, checkpoint=path, resume=True, **options)
    assert resumed.losses == unbroken.losses
    assert not resumed.interrupted
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), second.parameters(), strict=True))


def stop_after(model: GPT, forward_passes: int):
    from threading import Event

    event, calls = Event(), [0]

    def count(*_: object) -> None:
        calls[0] += 1
        if calls[0] == forward_passes:
            event.set()

    model.register_forward_pre_hook(count)
    return event


def test_resuming_a_finished_run_trains_no_further(tmp_path: Path) -> None:
    path, model = tmp_path / "run.safetensors", GPT(CONFIG, seed=0)
    run = fit(model, batches(), steps=3, checkpoint=path, progress=False)
    again = fit(GPT(CONFIG, seed=1), batches(), steps=3, checkpoint=path, resume=True, progress=False)
    assert again.losses == run.losses


def test_a_checkpoint_is_not_overwritten_by_accident(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    fit(GPT(CONFIG), batches(), steps=1, checkpoint=path, progress=False)
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="resume=True to go on from it, overwrite=True"):
        fit(GPT(CONFIG), batches(), steps=1, checkpoint=path, progress=False)
    assert path.read_bytes() == before
    fit(GPT(CONFIG), batches(), steps=1, checkpoint=path, overwrite=True, progress=False)


def test_a_measurement_that_fails_before_the_first_step_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    with pytest.raises(ZeroDivisionError):
        fit(GPT(CONFIG), batches(), checkpoint=path, measure={"x": lambda m: 1 / 0}, progress=False)
    assert not path.exists()


def test_a_crash_while_writing_leaves_the_earlier_file(tmp_path: Path, monkeypatch) -> None:
    path = save(tmp_path / "m.safetensors", GPT(CONFIG, seed=0))
    before = path.read_bytes()

    def torn(tensors, name, metadata=None):
        Path(name).write_bytes(b"half a file")
        raise OSError("No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", torn)
    with pytest.raises(OSError, match="No space"):
        save(path, GPT(CONFIG, seed=1))
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["m.safetensors"]


def test_what_is_no_checkpoint_is_explained(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no checkpoint at .*missing"):
        load(tmp_path / "missing")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(ValueError, match="not a readable safetensors file"):
        load(tmp_path / "text")
    save_file({"x": torch.zeros(1)}, tmp_path / "other")
    with pytest.raises(ValueError, match="not a checkpoint of tinygpt"):
        load(tmp_path / "other")
    save(tmp_path / "weights", GPT(CONFIG))
    with pytest.raises(ValueError, match=r"no training state.*Use load\(\)"):
        restore(tmp_path / "weights", TrainState.start(GPT(CONFIG), TrainConfig()))
    fit(GPT(CONFIG), batches(), steps=1, checkpoint=tmp_path / "run", progress=False)
    with pytest.raises(ValueError, match="a run of another shape"):
        other = GPT(GPTConfig(**SHAPE | {"n_layers": 1}))
        restore(tmp_path / "run", TrainState.start(other, TrainConfig()))


def test_more_steps_and_other_accumulation_go_on_with_the_next_batch(tmp_path: Path) -> None:
    path, read = tmp_path / "run.safetensors", []
    source = data.Stream(lambda i: read.append(i) or batches()[i])
    options = {"checkpoint": path, "resume": True, "progress": False}
    model = GPT(CONFIG, seed=0)
    fit(model, source, steps=2, accumulate=3, **options)
    fit(model, source, steps=3, accumulate=2, **options)
    run = fit(model, source, steps=5, accumulate=1, **options)
    assert read == list(range(10))
    assert len(run.steps) == run.total == 5


def test_a_list_of_batches_goes_on_where_it_stopped(tmp_path: Path) -> None:
    listed = [batches()[i] for i in range(6)]
    config = TrainConfig(steps=6, schedule="constant")
    unbroken = fit(GPT(CONFIG, seed=0), listed, config=config, progress=False)
    path, model = tmp_path / "run.safetensors", GPT(CONFIG, seed=0)
    fit(model, listed, config=config, stop=stop_after(model, 2), checkpoint=path, progress=False)
    resumed = fit(GPT(CONFIG), listed, config=config, checkpoint=path, resume=True, progress=False)
    assert resumed.losses == unbroken.losses


def test_replayed_batches_that_draw_random_numbers_leave_the_restored_generator_alone(tmp_path: Path) -> None:
    def drawing():
        for i in range(9):
            yield tuple(ids + 0 * torch.randint(2, ()) for ids in batches()[i])

    options = {"config": TrainConfig(steps=6), "progress": False}
    torch.manual_seed(0)
    unbroken = fit(GPT(CONFIG, seed=0), drawing(), noisy_loss, **options)
    torch.manual_seed(0)
    path, model = tmp_path / "run.safetensors", GPT(CONFIG, seed=0)
    fit(model, drawing(), noisy_loss, stop=stop_after(model, 3), checkpoint=path, **options)
    resumed = fit(GPT(CONFIG), drawing(), noisy_loss, checkpoint=path, resume=True, **options)
    assert resumed.losses == unbroken.losses


def test_moments_find_their_weights_by_name(tmp_path: Path) -> None:
    path, model = tmp_path / "run.safetensors", GPT(CONFIG, seed=0)
    model.embed.requires_grad_(False)
    fit(model, batches(), steps=2, checkpoint=path, progress=False)
    run = fit(GPT(CONFIG), batches(), steps=4, checkpoint=path, resume=True, progress=False)
    assert len(run.steps) == 4
    frozen = GPT(CONFIG)
    frozen.blocks[0].mlp.requires_grad_(False)
    with pytest.raises(ValueError, match=r"trained \['blocks.0.mlp.down.weight', .*frozen now"):
        fit(frozen, batches(), steps=5, checkpoint=path, resume=True, progress=False)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_compiled_models_run_can_be_resumed_uncompiled_and_back(tmp_path: Path, compiled: bool) -> None:
    path = tmp_path / "run.safetensors"
    models = [GPT(CONFIG, seed=0), torch.compile(GPT(CONFIG, seed=0), backend="eager")]
    first, second = models if compiled else reversed(models)
    state = TrainState.start(first, TrainConfig())
    next_token_loss(uncompiled(first), batches()[0]).backward()
    state.optimizer.step()
    save(path, first, state=state)
    other = TrainState.start(second, TrainConfig())
    restore(path, other)
    moments = [list(s.optimizer.state.values()) for s in (state, other)]
    assert len(moments[0]) == len(list(first.parameters()))
    for a, b in zip(*moments, strict=True):
        assert torch.equal(a["exp_avg"], b["exp_avg"])


def test_what_cannot_be_saved_is_refused_before_the_first_step(tmp_path: Path) -> None:
    for model, options, message in (
        (torch.nn.Sequential(GPT(CONFIG)), {}, "GPT or Encoder or EncoderDecoder; got Sequential"),
        (GPT(CONFIG), {"info": {"path": tmp_path}}, r"fit into JSON \(.*Path is not JSON serializable"),
        (GPT(CONFIG), {"steps": np.int64(2)}, "int64 is not JSON serializable.*int"),
    ):
        with pytest.raises(ValueError, match=message):
            fit(model, None, checkpoint=tmp_path / "run", progress=False, **options)


def test_a_checkpoint_of_a_loop_of_ones_own_is_not_resumed_by_fit(tmp_path: Path) -> None:
    model = GPT(CONFIG)
    path = save(tmp_path / "run", model, state=TrainState.start(model, TrainConfig()))
    with pytest.raises(ValueError, match=r"not written by fit. Go on with restore\(\) and train_steps\(\)"):
        fit(model, batches(), checkpoint=path, resume=True, progress=False)


def test_loading_keeps_the_number_format_and_the_global_generator(tmp_path: Path) -> None:
    path, before = save(tmp_path / "m", GPT(CONFIG).bfloat16()), torch.get_rng_state()
    assert load(path).model.embed.weight.dtype == torch.bfloat16
    assert torch.equal(torch.get_rng_state(), before)
