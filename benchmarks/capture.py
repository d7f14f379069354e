"""What it costs to keep all attention patterns of a forward pass at batch 1."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.core import Candidate, Options, gate, gate_close, report
from benchmarks.limits import limits
from benchmarks.peers import huggingface as hf
from tinygpt.interp import capture
from tinygpt.models import GPT, from_hf_gpt2, gpt2_shape

SHAPE = gpt2_shape(4096, n_layers=4, n_heads=4, d_model=128, context=128)
LENGTHS = (64, 128)


@torch.no_grad()
def main(options: Options) -> None:
    """Gates: same logits watched or not, and Hugging Face's patterns. Then a table per length."""
    if reason := hf.why_not():
        print(f"skipped: {reason}")
        return
    theirs = hf.build(SHAPE, attention="eager").eval()
    ours = from_hf_gpt2(theirs)
    inputs = [_tokens(length) for length in LENGTHS]
    for tokens in inputs:
        check(ours, theirs, tokens)
    if options.quick:
        return
    limits(options)
    for tokens in inputs:
        report(
            f"all patterns, {SHAPE.n_layers}L d{SHAPE.d_model} B1 T{tokens.shape[1]}",
            "passes/s",
            [
                Candidate("tinygpt, plain forward", lambda x=tokens: ours(x)),
                Candidate("tinygpt, capture", lambda x=tokens: patterns(ours, x)),
                Candidate(f"{hf.NAME} eager, plain", lambda x=tokens: theirs(x, use_cache=False)),
                Candidate(f"{hf.NAME} eager, attentions", lambda x=tokens: hf.patterns(theirs, x)),
            ],
            options,
        )


def check(ours: GPT, theirs: torch.nn.Module, tokens: Tensor) -> None:
    """Gates: watching changes no logit, and what is seen is what Hugging Face sees."""
    print(f"gates, capture, T{tokens.shape[1]}:")
    with capture(ours, "blocks.*.attn.pattern") as seen:
        watched = ours(tokens)
    gate_close("logits watched and not", watched, ours(tokens), 1e-4)
    wanted = hf.patterns(theirs, tokens)
    gate("layers seen", len(seen) == len(wanted), f"{len(seen)} and {len(wanted)}")
    gate_close("patterns", torch.stack(list(seen.values())), torch.stack(wanted), 1e-5)


def patterns(model: GPT, tokens: Tensor) -> dict[str, Tensor]:
    with capture(model, "blocks.*.attn.pattern") as seen:
        model(tokens)
    return seen


def _tokens(length: int) -> Tensor:
    return torch.randint(SHAPE.vocab_size, (1, length), generator=torch.Generator().manual_seed(0))
