"""Run by test_compiled.py in a process of its own: the shape checks of these tests cannot be compiled."""

from __future__ import annotations

from functools import partial

import torch
from tiny_models import SHAPE, scrambled, tokens

from tinygpt import data
from tinygpt.interp import capture, edit, zero_head
from tinygpt.models import GPT, GPTConfig
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


if __name__ == "__main__":
    training_sees_edits()
    for backend in ("eager", "aot_eager"):
        for in_place in (False, True):
            taps_are_seen_and_edited(backend, in_place)
    training_gives_the_same_losses()
    training_sees_edits()
    print("all as uncompiled")
