"""Tokens per second of greedy generation, batch 1, end to end: the snapshot is built anew in every call."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.core import Candidate, Options, gate, gate_close, report
from benchmarks.limits import limits
from benchmarks.peers import huggingface as hf
from tinygpt.models import GPT, GPTConfig, from_hf_gpt2, gpt2_shape
from tinygpt.sampling import Decoder, generate, greedy

SHAPE = gpt2_shape(4096, n_layers=4, n_heads=4, d_model=128, context=512)
PROMPT, NEW = 8, 256


def main(options: Options) -> None:
    """Gates: same logits, same ids. Then the table."""
    if reason := hf.why_not():
        print(f"skipped: {reason}")
        return
    theirs = hf.build(SHAPE).eval()
    ours = from_hf_gpt2(theirs)
    prompt = torch.randint(SHAPE.vocab_size, (1, PROMPT), generator=torch.Generator().manual_seed(0))
    check(ours, theirs, prompt, 32 if options.quick else NEW)
    if options.quick:
        return
    ceiling = limits(options)
    # Every weight but the embedding's other rows is read once per token.
    least = 4 * (ours.n_parameters - ours.position.weight.numel()) / (ceiling.cached / 2)
    default = GPT(GPTConfig(SHAPE.vocab_size, n_layers=4, n_heads=4, d_model=128, context=512), seed=0)
    report(
        f"decode batch 1, +{NEW} tokens, {SHAPE.n_layers}L d{SHAPE.d_model} V{SHAPE.vocab_size}; "
        "limit: reading all weights from cache",
        "tokens/s",
        [
            Candidate(f"{hf.NAME} generate", lambda: hf.greedy(theirs, prompt, NEW), NEW, least * NEW),
            Candidate("tinygpt.generate", lambda: whole(ours, prompt), NEW, least * NEW),
            Candidate("tinygpt Decoder, argmax", lambda: raw(ours, prompt), NEW, least * NEW),
            Candidate("tinygpt.generate, sampled", lambda: sampled(ours, prompt), NEW, least * NEW),
            Candidate("tinygpt.generate, default shape", lambda: whole(default, prompt), NEW),
        ],
        options,
    )


def check(ours: GPT, theirs: torch.nn.Module, prompt: Tensor, n: int) -> None:
    """Gates: parameters, logits of the model and of its snapshot, and every generated id."""
    print("gates, decode:")
    count = sum(p.numel() for p in theirs.parameters())
    gate("parameters", ours.n_parameters == count, f"{ours.n_parameters:,} and {count:,}")
    with torch.no_grad():
        want = theirs(prompt).logits
        gate_close("logits", ours(prompt), want, 1e-4)
        gate_close("logits of the snapshot", Decoder(ours).read(prompt[0]), want[0, -1:], 1e-4)
    wanted = hf.greedy(theirs, prompt, n)[0]
    gate("ids of generate", torch.equal(whole(ours, prompt, n), wanted), f"{n} tokens")
    gate("ids of the decoder", torch.equal(raw(ours, prompt, n), wanted[PROMPT:]), f"{n} tokens")


def whole(model: GPT, prompt: Tensor, n: int = NEW) -> Tensor:
    return generate(model, prompt[0], max_new_tokens=n, filters=[greedy()])


def sampled(model: GPT, prompt: Tensor) -> Tensor:
    return generate(model, prompt[0], max_new_tokens=NEW, seed=0)


@torch.inference_mode()
def raw(model: GPT, prompt: Tensor, n: int = NEW) -> Tensor:
    decoder = Decoder(model, PROMPT + n)
    new = [decoder.read(prompt[0]).argmax(-1)]
    while len(new) < n:
        new.append(decoder.read(new[-1]).argmax(-1))
    return torch.cat(new)
