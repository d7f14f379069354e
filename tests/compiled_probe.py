"""Run by test_compiled.py in a process of its own: the shape checks of these tests cannot be compiled."""

from __future__ import annotations

from functools import partial

import torch
from tiny_models import SHAPE, WINDOWED, scrambled, tokens
from torch._dynamo.utils import counters

from tinygpt import data, sampling
from tinygpt.interp import capture, edit, zero_head
from tinygpt.models import GPT, GPTConfig
from tinygpt.sampling import generate, greedy, temperature
from tinygpt.training import fit

CONFIG = GPTConfig(**SHAPE)


def taps_are_seen_and_edited(backend: str, in_place: bool) -> None:
    model, ids = scrambled(CONFIG), tokens(CONFIG)
    if in_place:
        model.compile(backend=backend)
    compiled = model if in_place else torch.compile(model, backend=backend)
    plain = compiled(ids)
    with capture(compiled, "*.pattern") as seen:
        compiled(ids)
    assert len(seen) == 2, seen.keys()
    with edit(compiled, {"blocks.0.attn.heads": zero_head(0)}):
        assert not torch.allclose(compiled(ids), plain), "the edit was ignored"
    torch.testing.assert_close(compiled(ids), plain)


def training_gives_the_same_losses() -> None:
    stream = data.worlds.repeats(batch_size=8, length=16, vocab_size=31, seed=0)
    options = {"steps": 3, "precision": "fp32", "progress": False}
    plain = fit(GPT(CONFIG, seed=0), stream, **options)
    compiled = fit(torch.compile(GPT(CONFIG, seed=0), backend="aot_eager"), stream, **options)
    torch.testing.assert_close(torch.tensor(compiled.losses), torch.tensor(plain.losses))


def training_sees_edits() -> None:
    torch.compile = partial(torch.compile, backend="eager")
    stream = data.worlds.repeats(batch_size=8, length=16, vocab_size=31, seed=0)
    losses = []
    for compiled in (True, False):
        model = scrambled(CONFIG)
        with edit(model, {"blocks.*.attn.heads": zero_head(0, 1)}):
            run = fit(model, stream, steps=2, precision="fp32", compile=compiled, progress=False)
        losses.append(torch.tensor(run.losses))
    torch.testing.assert_close(*losses)
    plain = fit(scrambled(CONFIG), stream, steps=2, precision="fp32", compile=True, progress=False)
    assert not torch.allclose(torch.tensor(plain.losses), losses[0]), "the edit outlived its block"


def steps_are_one_graph_that_stays() -> None:
    options = {"max_new_tokens": 20, "filters": [greedy()]}
    prompts = [[1, 2, 3]], [[1, 2], [3, 4]], [[1, 2, 3], [4], [2, 6, 5, 3, 5]]
    for config in (CONFIG, GPTConfig(**SHAPE, position="learned", n_kv_heads=2), *WINDOWED[5:7]):
        model, before = scrambled(config), counters["stats"]["unique_graphs"]
        steps = sampling.compiled(model, backend="aot_eager")
        for prompt in prompts:
            for ours, theirs in zip(
                generate(steps, prompt, **options), generate(model, prompt, **options), strict=True
            ):
                assert torch.equal(ours, theirs), (config, prompt)
        assert counters["stats"]["unique_graphs"] == before + 3, "one for each batch size"
        with torch.compiler.set_stance("fail_on_recompile"):
            for prompt in prompts:
                generate(steps, [[*row, 1, 2] for row in prompt], **options)
        assert not counters["graph_break"]


def cached_logits_are_the_models() -> None:
    model, ids = scrambled(CONFIG), tokens(CONFIG)
    cache, step = sampling.compiled(model, backend="aot_eager").begin(2)
    with torch.inference_mode():
        parts = [
            model(ids[:, :5], cache),
            *(step(ids[:, t, None].clone(), cache)[:, None] for t in range(5, 12)),
        ]
    torch.testing.assert_close(torch.cat(parts, dim=1), model(ids), atol=2e-5, rtol=1e-4)


def ended_rows_stay_in_a_compiled_batch() -> None:
    model, prompt = scrambled(CONFIG), [[1], [2], [3], [4]]
    options = {"max_new_tokens": 40, "filters": [temperature(5.0)], "seed": 1, "stop": [4, 9]}
    steps = sampling.compiled(model, backend="eager")
    assert torch.equal(generate(steps, prompt, **options), generate(model, prompt, **options))


if __name__ == "__main__":
    steps_are_one_graph_that_stays()
    cached_logits_are_the_models()
    ended_rows_stay_in_a_compiled_batch()
    training_sees_edits()
    for backend in ("eager", "aot_eager"):
        for in_place in (False, True):
            taps_are_seen_and_edited(backend, in_place)
    training_gives_the_same_losses()
    training_sees_edits()
    print("all as uncompiled")
