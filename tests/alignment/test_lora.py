"""LoRA against PEFT, against the base it must leave alone, and through everything that reads a model."""

from __future__ import annotations

import copy
import pickle
import random
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from oracles import peer
from tiny_models import SHAPE, scrambled, tokens

import tinygpt as tg
from tinygpt import data
from tinygpt.alignment import (
    LoRALinear,
    add_lora,
    load_lora,
    merge_lora,
    remove_lora,
    roll_out,
    save_lora,
    use_lora,
)
from tinygpt.models import GPT, EncoderDecoder, GPTConfig, taps
from tinygpt.sampling import Decoder, generate, greedy
from tinygpt.tokenizers import train_characters
from tinygpt.training import TrainConfig, TrainState, fit, load, mean_loss, next_token_loss, restore, save

CONFIG = GPTConfig(**SHAPE, bias=True, norm="layernorm", tied=False)
EVERYTHING = "*"


def with_adapters(*names: str, config: GPTConfig = CONFIG, targets: str = EVERYTHING, **options) -> GPT:
    """A model with adapters that do something: B is no longer zero."""
    model = scrambled(config)
    for i, name in enumerate(names):
        add_lora(model, rank=3, targets=targets, name=name, seed=i, **options)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for path, parameter in model.named_parameters():
            if path.endswith(".B"):
                parameter.normal_(0.0, 0.1, generator=generator)
    return model


def batch(config: GPTConfig = CONFIG) -> tuple[torch.Tensor, torch.Tensor]:
    ids = tokens(config)
    return ids[:, :-1], ids[:, 1:]


def adapted(model: torch.nn.Module) -> dict[str, LoRALinear]:
    return {path: m for path, m in model.named_modules() if isinstance(m, LoRALinear)}


def pefts(model: GPT) -> Any:
    """PEFT's model with the base and the adapters of ours."""
    peft, base = peer("peft"), copy.deepcopy(model)
    remove_lora(base)
    layers = adapted(model)
    names = list(next(iter(layers.values())).adapters)
    alpha = layers["blocks.0.attn.q"].adapters[names[0]].alpha
    config = peft.LoraConfig(r=3, lora_alpha=alpha, target_modules=list(layers))
    theirs = peft.LoraModel(base, config, names[0])
    for name in names[1:]:
        theirs.peft_config[name] = config
        theirs.inject_adapter(base, name)
    with torch.no_grad():
        for path, layer in layers.items():
            there = base.get_submodule(path)
            for name, adapter in layer.adapters.items():
                there.lora_A[name].weight.copy_(adapter.A)
                there.lora_B[name].weight.copy_(adapter.B)
    return theirs


@pytest.mark.parametrize("alpha", [None, 5.0])
def test_outputs_gradients_and_merge_are_pefts(alpha: float | None) -> None:
    model = with_adapters("default", alpha=alpha)
    theirs, (inputs, targets) = pefts(model), batch()
    torch.testing.assert_close(model(inputs), theirs.model(inputs))
    next_token_loss(model, (inputs, targets)).backward()
    F.cross_entropy(theirs.model(inputs).flatten(0, 1), targets.flatten()).backward()
    for path, layer in adapted(model).items():
        there = theirs.model.get_submodule(path)
        torch.testing.assert_close(layer.adapters["default"].A.grad, there.lora_A["default"].weight.grad)
        torch.testing.assert_close(layer.adapters["default"].B.grad, there.lora_B["default"].weight.grad)
    merge_lora(model)
    merged = theirs.merge_and_unload().state_dict()
    assert set(merged) == set(model.state_dict())
    for name, weight in model.state_dict().items():
        torch.testing.assert_close(weight, merged[name])


def test_a_mixture_is_pefts_weighted_adapter() -> None:
    model = with_adapters("pirate", "poet")
    theirs, inputs = pefts(model), tokens(CONFIG)
    theirs.add_weighted_adapter(["pirate", "poet"], [0.7, 0.4], "mix", combination_type="cat")
    theirs.set_adapter("mix")
    use_lora(model, {"pirate": 0.7, "poet": 0.4})
    torch.testing.assert_close(model(inputs), theirs.model(inputs))


def test_a_new_adapter_changes_nothing_and_is_all_that_trains() -> None:
    model, inputs = scrambled(CONFIG), tokens(CONFIG)
    before = model(inputs)
    n = add_lora(model, rank=2, targets="*.attn.[qv]", seed=0)
    assert torch.equal(model(inputs), before)
    assert set(adapted(model)) == {f"blocks.{i}.attn.{x}" for i in range(2) for x in "qv"}
    assert n == 2 * 2 * 2 * (32 + 32)
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert trained and all(name.endswith(("lora_default.A", "lora_default.B")) for name in trained)


def test_the_seed_fixes_an_adapter_and_spares_the_global_generator() -> None:
    drawn = []
    for seed in (1, 1, 2):
        model = scrambled(CONFIG)
        state = torch.get_rng_state()
        add_lora(model, seed=seed)
        assert torch.equal(torch.get_rng_state(), state)
        drawn.append(adapted(model)["blocks.1.attn.v"].adapters["default"].A)
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])


def test_training_leaves_the_base_alone_bit_for_bit() -> None:
    model = scrambled(GPTConfig(**SHAPE))
    base = {name: weight.clone() for name, weight in model.state_dict().items()}
    stream = data.worlds.repeats(batch_size=8, length=16, vocab_size=31, seed=0)
    before = mean_loss(model, stream, 4)
    add_lora(model, targets="blocks.*", name="diverged")
    with torch.no_grad():
        adapted(model)["blocks.0.mlp.up"].adapters["diverged"].B.fill_(torch.nan)
    add_lora(model, rank=4, targets="blocks.*", seed=0)
    fit(model, stream, steps=30, lr=2e-2, progress=False)
    assert mean_loss(model, stream, 4) < before - 0.3
    use_lora(model, {})
    assert mean_loss(model, stream, 4) == before
    remove_lora(model)
    assert all(torch.equal(weight, base[name]) for name, weight in model.state_dict().items())
    assert all(p.requires_grad for p in model.parameters())


def test_adapters_swap_and_mix_without_touching_each_other() -> None:
    model, inputs = with_adapters("pirate", "poet"), tokens(CONFIG)
    assert use_lora(model, {"pirate": 1.0}) == {"poet": 1.0}
    pirate = model(inputs)
    assert {n.split("lora_")[1] for n, p in model.named_parameters() if p.requires_grad} == {
        "pirate.A",
        "pirate.B",
    }
    assert use_lora(model, {"poet": 1.0, "pirate": 0.0}) == {"pirate": 1.0}
    poet = model(inputs)
    use_lora(model, {})
    assert not torch.allclose(pirate, poet, atol=1e-2) and not torch.allclose(model(inputs), poet, atol=1e-2)
    use_lora(model, {"pirate": 1.0})
    assert torch.equal(model(inputs), pirate)
    layer = adapted(model)["blocks.0.mlp.up"]
    a, b = (adapter.B @ adapter.A for adapter in layer.adapters.values())
    use_lora(model, {"pirate": 0.25, "poet": -2.0})
    torch.testing.assert_close(layer.weight, layer.base.weight + 2 * (0.25 * a - 2 * b))
    remove_lora(model, "pirate")
    use_lora(model, {"poet": 1.0})
    assert torch.equal(model(inputs), poet)


@pytest.mark.parametrize(
    "config",
    [CONFIG, GPTConfig(**SHAPE, position="alibi", n_kv_heads=2), GPTConfig(**SHAPE, d_ff=0)],
    ids=str,
)
def test_generating_and_the_snapshot_know_the_adapters(config: GPTConfig) -> None:
    targets = EVERYTHING if not config.tied else "blocks.*"
    model, ids = with_adapters("a", "b", config=config, targets=targets), tokens(config)[0]
    use_lora(model, {"a": 0.5, "b": 1.5})
    model.eval()
    torch.testing.assert_close(Decoder(model).read(ids), model(ids[None])[:, -1], atol=2e-5, rtol=1e-4)
    said = generate(model, ids[:4], max_new_tokens=10, filters=[greedy()])
    assert torch.equal(model(said[None, :-1]).argmax(-1)[0, 3:], said[4:])
    rolled = roll_out(model, [ids[:4].tolist()], max_new_tokens=10, filters=[greedy()])
    assert rolled.completions() == [said[4:].tolist()]
    merged = copy.deepcopy(model)
    merge_lora(merged)
    assert type(merged.blocks[0].attn.q) is torch.nn.Linear
    torch.testing.assert_close(merged(ids[None]), model(ids[None]), atol=2e-5, rtol=1e-4)


def test_the_fast_loss_knows_an_adapter_on_the_head() -> None:
    model, (inputs, targets) = with_adapters("default", targets="head"), batch()
    want = F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
    torch.testing.assert_close(next_token_loss(model, (inputs, targets)), want)
    use_lora(model, {})
    assert abs(next_token_loss(model, (inputs, targets)) - want) > 1e-3


def test_taps_see_the_adapters() -> None:
    model, ids = with_adapters("default"), tokens(CONFIG)
    merged = copy.deepcopy(model)
    merge_lora(merged)
    assert list(taps(model)) == list(taps(merged))
    seen = []
    for each in (model, merged):
        with tg.capture(each, "blocks.1.attn.*") as kept, tg.edit(each, {"blocks.0.mlp_out": torch.tanh}):
            each(ids)
        seen.append(kept)
    for name, activation in seen[1].items():
        torch.testing.assert_close(seen[0][name], activation, atol=2e-5, rtol=1e-4)


def test_bfloat16_says_nearly_the_same() -> None:
    model, ids = with_adapters("default"), tokens(CONFIG)
    with torch.autocast("cpu", torch.bfloat16):
        low = model(ids).float()
    assert (low - model(ids)).norm() < 0.03 * model(ids).norm()


def test_a_resumed_run_with_adapters_is_the_unbroken_run_bit_for_bit(tmp_path: Path) -> None:
    stream = data.worlds.repeats(batch_size=8, length=16, vocab_size=31, seed=0)
    options = {"config": TrainConfig(steps=6, lr=1e-2, precision="fp32"), "progress": False}

    def fresh() -> GPT:
        model = scrambled(GPTConfig(**SHAPE))
        add_lora(model, targets="blocks.*", seed=0)
        return model

    whole, first, second = fresh(), fresh(), fresh()
    unbroken = fit(whole, stream, **options)
    path, stop = tmp_path / "run.safetensors", threading.Event()

    def loss_fn(model: GPT, rows: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        stop.set() if calls else calls.append(1)
        return next_token_loss(model, rows)

    calls: list[int] = []
    broken = fit(first, stream, loss_fn, checkpoint=path, stop=stop, **options)
    assert broken.interrupted and len(broken.steps) == 2
    resumed = fit(second, stream, checkpoint=path, resume=True, **options)
    assert resumed.losses == unbroken.losses
    assert all(map(torch.equal, whole.state_dict().values(), second.state_dict().values()))
    with pytest.raises(ValueError, match=r"do not have the same weights: .*add_lora and use restore"):
        load(path)
    bare = scrambled(GPTConfig(**SHAPE))
    with pytest.raises(ValueError, match="do not have the same weights"):
        restore(path, TrainState.start(bare, options["config"]))


def test_an_adapter_comes_back_from_its_file(tmp_path: Path) -> None:
    model, ids = with_adapters("pirate", "poet", targets="*.attn.[qv]", alpha=7.0), tokens(CONFIG)
    want = model(ids)
    path = save_lora(tmp_path / "deep" / "poet.safetensors", model, "poet")
    other = scrambled(CONFIG)
    assert load_lora(path, other) == "poet"
    assert torch.equal(other(ids), want)
    assert load_lora(path, other, "again") == "again"
    assert torch.equal(other(ids), want), "the one before was put aside"
    small = save_lora(tmp_path / "small.safetensors", model, "poet", dtype=torch.bfloat16)
    assert small.stat().st_size < 0.75 * path.stat().st_size < 8000
    third = scrambled(CONFIG)
    load_lora(small, third)
    assert adapted(third)["blocks.0.attn.q"].adapters["poet"].A.dtype == torch.float32
    torch.testing.assert_close(third(ids), want, atol=0.1, rtol=0.1)


def test_a_write_that_fails_leaves_the_earlier_file(tmp_path: Path, monkeypatch) -> None:
    model = with_adapters("default")
    path = save_lora(tmp_path / "a.safetensors", model)
    before = path.read_bytes()

    def torn(tensors, file, metadata):
        Path(file).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr("tinygpt.training.checkpoint.save_file", torn)
    with pytest.raises(OSError, match="disk full"):
        save_lora(path, model)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    model = with_adapters("default", targets="*.attn.[qv]")
    adapter = save_lora(tmp_path / "a.safetensors", model)
    whole = save(tmp_path / "m.safetensors", scrambled(CONFIG))
    with pytest.raises(ValueError, match="holds a model and no adapter"):
        load_lora(whole, scrambled(CONFIG))
    with pytest.raises(ValueError, match="no model but a LoRA adapter"):
        load(adapter)
    narrow = GPT(GPTConfig(vocab_size=31, n_layers=2, d_model=16))
    with pytest.raises(ValueError, match=r"its blocks.0.attn.q is \(32, 32\), here it is \(16, 16\)"):
        load_lora(adapter, narrow)
    with pytest.raises(ValueError, match=r"blocks.1.attn.q is .* here it is not there"):
        load_lora(adapter, GPT(GPTConfig(vocab_size=31, n_layers=1, d_model=32)))
    with pytest.raises(ValueError, match=r"no adapter is called 'poet'; there are \['default'\]"):
        save_lora(tmp_path / "b.safetensors", model, "poet")
    assert not adapted(narrow) and all(p.requires_grad for p in narrow.parameters())


def test_what_is_refused() -> None:
    model = scrambled(GPTConfig(**SHAPE))
    with pytest.raises(ValueError, match=r"no linear layer matches '\*\.qkv'. There are blocks.0.attn.q, "):
        add_lora(model, targets=["*.attn.q", "*.qkv"])
    with pytest.raises(ValueError, match=r"head shares its matrix .*blocks\.\*"):
        add_lora(model, targets="*")
    for rank in (0, 33):
        with pytest.raises(ValueError, match=f"rank must be from 1 to 32, .*; got {rank}"):
            add_lora(model, rank=rank)
    assert all(p.requires_grad for p in model.parameters()), "what is refused changes nothing"
    add_lora(model, name="half")
    for name in ("half", "", "a.b"):
        with pytest.raises(ValueError, match=r"must be new and without a dot; .*taken are \['half'\]"):
            add_lora(model, name=name)
    with pytest.raises(ValueError, match=r"no adapter is called 'poet'; there are \['half'\]"):
        use_lora(model, {"poet": 1.0})
    with pytest.raises(ValueError, match="finite number; got nan"):
        use_lora(model, {"half": float("nan")})
    with pytest.raises(ValueError, match="no adapter is called 'poet'"):
        remove_lora(model, "poet")


def test_other_families_and_copies() -> None:
    model = scrambled(GPTConfig(**SHAPE), kind=EncoderDecoder)
    source, ids = tokens(model.config), tokens(model.config, length=5)
    before = model(source, ids)
    add_lora(model, targets="*.cross.[kv]", seed=0)
    assert set(adapted(model)) == {f"decoder.blocks.{i}.cross.{x}" for i in range(2) for x in "kv"}
    with torch.no_grad():
        adapted(model)["decoder.blocks.0.cross.v"].adapters["default"].B.fill_(0.1)
    changed = model(source, ids)
    assert not torch.allclose(changed, before)
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(again(source, ids), changed)
        use_lora(again, {})
        assert torch.equal(again(source, ids), before) and torch.equal(model(source, ids), changed)


def test_two_personas_learn_swap_and_do_not_cross_talk() -> None:
    tok = train_characters("abcdefgh=!~.")
    style = {"plain": "{}.", "pirate": "{}!!", "poet": "~{}~"}

    def lessons(name: str) -> data.Stream:
        def draw(rng: random.Random) -> tuple[str, str]:
            i = rng.randrange(7)
            return "abcdefg"[i] + "=", style[name].format("bcdefgh"[i])

        return data.lessons(draw, tok, batch_size=32)

    def right(name: str) -> int:
        said = [generate(model, tok.encode(f"{x}="), max_new_tokens=3, filters=[greedy()]) for x in "abcdefg"]
        wanted = [style[name].format(y) for y in "bcdefgh"]
        return sum(tok.decode(ids[2:]).startswith(y) for ids, y in zip(said, wanted, strict=True))

    model = GPT(GPTConfig(vocab_size=tok.vocab_size, n_layers=2, d_model=32, context=8), seed=0)
    options = {"precision": "fp32", "progress": False}
    fit(model, lessons("plain"), steps=80, lr=1e-2, **options)
    for name in ("pirate", "poet"):
        add_lora(model, targets="blocks.*", name=name, seed=0)
        fit(model, lessons(name), steps=80, lr=2e-2, **options)
    for name in ("pirate", "poet", "plain"):
        use_lora(model, {} if name == "plain" else {name: 1.0})
        assert {other: right(other) >= 6 for other in style} == {other: other == name for other in style}
