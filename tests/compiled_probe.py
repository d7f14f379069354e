"""Run by test_compiled.py in a process of its own: the shape checks of these tests cannot be compiled."""

from __future__ import annotations

import torch
from tiny_models import SHAPE, scrambled, tokens

from tinygpt import data
from tinygpt.interp import capture, edit, zero_head
from tinygpt.models import GPT, GPTConfig
from tinygpt.training import fit

CONFIG = GPTConfig(**SHAPE)


def taps_are_seen_and_edited(backend: str) -> None:
    model, ids = scrambled(CONFIG), tokens(CONFIG)
    compiled = torch.compile(model, backend=backend)
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


if __name__ == "__main__":
    for backend in ("eager", "aot_eager"):
        taps_are_seen_and_edited(backend)
    training_gives_the_same_losses()
    print("all as uncompiled")
