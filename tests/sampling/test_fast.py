"""The compiled loops compute what the model computes, in every variant and every format."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import POSITIONS, SHAPE, VARIANTS, scrambled, tokens
from torch import nn

from tinygpt.interp import capture
from tinygpt.lineage import shipped
from tinygpt.models import GPT, GPTConfig
from tinygpt.sampling import FastModel, fast, generate, greedy, likeliest, rounded, temperature
from tinygpt.sampling.fast import Sequence, why_not

loops = pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="numba is not installed")
KINDS = ("int4", "int8", "bfloat16", "float32")
# Widths that fill no tile: heads of 5, 7 and 36, and 40 inputs, which end within a group.
ODD = [
    GPTConfig(31, n_layers=1, n_heads=2, d_model=10, context=70, d_ff=7, position="learned"),
    GPTConfig(70, n_layers=1, n_heads=3, d_model=21, context=70, position="alibi", tied=False),
    GPTConfig(200, n_layers=2, n_heads=2, d_model=72, context=70, d_ff=40, activation="swiglu", bias=True),
    GPTConfig(65, n_layers=1, n_heads=1, d_model=40, context=70, activation="relu"),
]
CONFIGS = [config for config in VARIANTS if config.norm_first and not config.window] + ODD


def logits(model: FastModel, ids: torch.Tensor, sizes: list[int]) -> torch.Tensor:
    sequence = Sequence(model, model.config.context)
    return torch.cat([sequence.read(part) for part in ids.split(sizes)])


@loops
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_the_loops_equal_the_model(config: GPTConfig, kind: str) -> None:
    model = rounded(scrambled(config), kind)
    ids, packed = tokens(config, length=config.context)[0], FastModel(model)
    assert packed.kind == kind
    with torch.no_grad():
        want = model(ids[None])[0, 4:]
    torch.testing.assert_close(logits(packed, ids, [5] + [1] * (len(ids) - 5)), want, atol=2e-5, rtol=1e-4)


@loops
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_a_panel_of_tokens_gives_the_logits_of_each(config: GPTConfig, kind: str) -> None:
    model = rounded(scrambled(config), kind)
    ids, sequence = tokens(config, length=16)[0], Sequence(FastModel(model), 16)
    with torch.no_grad():
        want = model(ids[None])[0]
    for sizes in ([16], [7, 9], [1, 2, 3, 4, 6]):
        found = torch.cat([sequence.read(part, last=len(part)) for part in ids.split(sizes)])
        torch.testing.assert_close(found, want, atol=2e-5, rtol=1e-4)
        sequence.rewind(11)
        torch.testing.assert_close(sequence.read(ids[11:], last=2), want[-2:], atol=2e-5, rtol=1e-4)
        sequence.rewind(0)


@loops
def test_what_is_kept_on_disk_is_of_this_source() -> None:
    """Numba looks at closures: a function that was compiled with another source is compiled anew."""
    from tinygpt.sampling import loops as own
    from tinygpt.sampling.loops.arrays import entry, stamp

    def made(together: str):
        @entry
        def same(x):
            _ = together
            return x

        same(1.0)
        return sum(same.stats.cache_hits.values()), sum(same.stats.cache_misses.values())

    made("a"), made("b")
    assert made("a") == made("b") == (1, 0)
    assert made(str(time.time_ns())) == (0, 1)
    for function in (own.read, own.continued, own.speculated):
        assert [cell.cell_contents for cell in function.py_func.__closure__].count(stamp()) == 1


@loops
def test_the_stamp_knows_all_that_the_loops_are_made_of() -> None:
    import tinygpt.sampling.loops as own

    sources = [Path(file).read_text() for file in Path(own.__file__).parent.glob("*.py")]
    modules = {line.split()[1] for text in sources for line in text.splitlines() if "from tinygpt" in line}
    inside = {name for name in modules if name.startswith("tinygpt.sampling.loops")}
    assert modules - inside == {"tinygpt.sampling.rounding", "tinygpt.sampling"}


@loops
@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize(("start", "n"), [([1, 2, 3], 10), ([1, 2, 3], 45), (list(range(30)), 45), ([4], 1)])
def test_greedy_text_is_the_models_own_beyond_the_context_too(position: str, start: list, n: int) -> None:
    model = scrambled(GPTConfig(**SHAPE, position=position))
    want = generate(model, start, max_new_tokens=n, filters=[greedy()])
    packed = fast(model)
    assert isinstance(packed, FastModel)
    assert torch.equal(generate(packed, start, max_new_tokens=n, filters=[greedy()]), want)
    assert torch.equal(torch.cat(list(likeliest(packed, torch.tensor(start), n))), want[len(start) :])


@loops
def test_batches_and_draws_are_the_models_own() -> None:
    model = scrambled(GPTConfig(**SHAPE))
    options = dict(max_new_tokens=30, filters=[temperature(1.5)], seed=3)
    rows = [[1, 2], [3, 4], [5, 6]]
    assert torch.equal(generate(fast(model), rows, **options), generate(model, rows, **options))


@loops
@pytest.mark.parametrize("stop", [[], [3, 7]])
@pytest.mark.parametrize("filters", [[], [temperature(0.6), temperature(2.0)]], ids=["drawn", "heated"])
def test_what_the_loops_draw_is_the_models_own(filters: list, stop: list) -> None:
    model = scrambled(GPTConfig(**SHAPE))
    for seed in range(5):
        options = dict(max_new_tokens=100, filters=filters, seed=seed, stop=stop)
        assert torch.equal(generate(fast(model), [1, 2], **options), generate(model, [1, 2], **options))


@loops
def test_the_shipped_model_tells_the_same_story() -> None:
    kept = shipped("pretrain")
    ids, packed = kept.tokenizer.encode("Once"), FastModel(kept.model)
    assert packed.kind == "bfloat16"  # as it is stored, so nothing is lost
    want = generate(kept.model, ids, max_new_tokens=100, filters=[greedy()])
    assert torch.equal(generate(packed, ids, max_new_tokens=100, filters=[greedy()]), want)


@loops
def test_training_on_does_not_change_the_snapshot() -> None:
    model = scrambled(GPTConfig(**SHAPE))
    packed, ids = FastModel(model), torch.tensor([1, 2, 3])
    before = logits(packed, ids, [3])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert torch.equal(logits(packed, ids, [3]), before)


@loops
def test_narrow_weights_take_less_room() -> None:
    model = scrambled(GPTConfig(64, n_layers=1, d_model=64))
    sizes = {kind: FastModel(rounded(model, kind)).n_bytes for kind in KINDS}
    weights = 12 * 64**2 + 64**2
    outputs = 64 * (3 + 1 + 4 + 1 + 1)
    assert sizes["float32"] == 4 * weights and sizes["bfloat16"] == 2 * weights
    assert sizes["int8"] == weights + 2 * outputs and sizes["int4"] == weights / 2 + 2 * weights / 32


def test_the_exponential_and_the_error_function() -> None:
    pytest.importorskip("numba")
    from scipy.special import erf

    from tinygpt.sampling.loops import numbers as own

    x = np.linspace(-80, 80, 4001, dtype=np.float32)
    exps = np.array([own.exp(value) for value in x])
    np.testing.assert_allclose(exps, np.exp(x.astype(np.float64)), rtol=1e-6)
    x = np.linspace(-5, 5, 1001, dtype=np.float32)
    np.testing.assert_allclose([own.erf(value) for value in x], erf(x), atol=4e-7)


@loops
def test_logits_that_are_no_numbers_are_explained() -> None:
    model = scrambled(GPTConfig(**SHAPE))
    with torch.no_grad():
        model.blocks[0].mlp.up.weight[0, 0] = torch.nan
    with pytest.raises(ValueError, match="the logits are not numbers"):
        generate(fast(model), [1, 2], max_new_tokens=2)


def _hooked(model: GPT) -> GPT:
    model.blocks[0].register_forward_hook(lambda *_: None)
    return model


def _replaced(model: GPT) -> GPT:
    model.head = nn.Sequential(model.head)
    return model


def _reactivated(model: GPT) -> GPT:
    model.blocks[1].mlp.activation = torch.cos
    return model


@loops
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_hooked, r"blocks\.0 was replaced or has a hook"),
        (_replaced, "head was replaced or has a hook: Sequential"),
        (_reactivated, r"blocks\.1\.mlp has an activation of its own"),
        (lambda model: GPT(GPTConfig(**SHAPE, norm_first=False)), "post-norm"),
    ],
)
def test_what_the_loops_do_not_know_goes_the_old_way(change, message: str) -> None:
    model = change(scrambled(GPTConfig(**SHAPE)))
    assert fast(model) is model
    with pytest.raises(ValueError, match=message):
        FastModel(model)


@loops
def test_a_watched_model_goes_the_old_way() -> None:
    model = scrambled(GPTConfig(**SHAPE))
    with capture(model, "blocks.0.residual"):
        assert "watches" in why_not(model)
        model(torch.tensor([[1]]))
    assert why_not(model) is None


def test_without_numba_the_model_goes_the_old_way(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "numba" else found(name, *rest)
    )
    model = scrambled(GPTConfig(**SHAPE))
    assert fast(model) is model
    with pytest.raises(ValueError, match=r'pip install "tinygpt\[fast\]"'):
        FastModel(model)


@loops
def test_a_sequence_does_not_outgrow_itself() -> None:
    packed = FastModel(scrambled(GPTConfig(**SHAPE)))
    with pytest.raises(ValueError, match=r"the loops end at context=16; got length=17"):
        Sequence(packed, 17)
    sequence = Sequence(packed, 4)
    with pytest.raises(ValueError, match="read a prompt first"):
        sequence.continued(1)
    sequence.read(torch.tensor([1, 2, 3]))
    with pytest.raises(ValueError, match="holds 4 tokens; 5 came"):
        sequence.continued(3)
