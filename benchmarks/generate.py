"""Tokens per second of greedy generation, batch 1, each beside what its matrix–vector products alone take.

All models have the same weights, which bfloat16 holds exactly. A model is made once and generates often, so
a snapshot's making is not in the time; the rows "snapshot each time" say what that costs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor

from benchmarks.core import Candidate, Options, gate, gate_close, report
from benchmarks.limits import limits
from benchmarks.peers import huggingface as hf
from benchmarks.peers import llms_from_scratch as scratch
from tinygpt.models import GPT, GPTConfig, from_hf_gpt2, gpt2_shape
from tinygpt.sampling import Decoder, FastModel, generate, greedy, likeliest, rounded, temperature, top_p
from tinygpt.sampling.fast import Sequence, why_not

LAPTOP = gpt2_shape(800, n_layers=4, n_heads=4, d_model=128, context=512)
SHAPES = (
    LAPTOP,
    gpt2_shape(4096, n_layers=4, n_heads=4, d_model=128, context=512),
    gpt2_shape(4096, n_layers=6, n_heads=6, d_model=384, context=512),
)
KINDS = ("bfloat16", "int8", "int4")
PROMPT, NEW = 8, 256


def main(options: Options) -> None:
    """Gates: same logits, same ids. Then a table for each shape, and what rounding costs in loss."""
    for reason in (hf.why_not(), _no_loops()):
        if reason:
            print(f"skipped: {reason}")
            return
    limits(options)
    for shape in SHAPES[:1] if options.quick else SHAPES:
        compare(shape, options)
    losses(10 if options.quick else 100)


def compare(shape: GPTConfig, options: Options) -> None:
    """Gates and times everything that generates with one shape."""
    theirs = hf.build(shape).eval().requires_grad_(False)
    for parameter in theirs.parameters():
        parameter.copy_(parameter.bfloat16())
    ours = from_hf_gpt2(theirs)
    prompt = torch.randint(shape.vocab_size, (1, PROMPT), generator=torch.Generator().manual_seed(0))
    n = 32 if options.quick else NEW
    models = {kind: FastModel(rounded(ours, kind)) for kind in KINDS}
    calls = {f"{hf.NAME} generate": lambda: hf.greedy(theirs, prompt, n)}
    if reason := scratch.why_not(options.script):
        print(f"without {scratch.NAME}: {reason}")
    else:
        peer = scratch.build(ours, options.script)
        calls[scratch.NAME] = lambda: scratch.greedy(peer, prompt, n)
    calls["eager Decoder, snapshot each time"] = lambda: raw(ours, prompt, n)
    calls |= {f"loops, {kind}": _looped(model, prompt, n) for kind, model in models.items()}
    check(ours, theirs, models, calls, prompt, n)
    if options.quick:
        return
    exact = models["bfloat16"]
    calls["loops, bfloat16, generate"] = lambda: generate(
        exact, prompt[0], max_new_tokens=n, filters=[greedy()]
    )
    calls["loops, bfloat16, generate, top-p"] = lambda: generate(
        exact, prompt[0], max_new_tokens=n, filters=[temperature(0.8), top_p(0.9)], seed=0
    )
    calls["loops, bfloat16, snapshot each time"] = lambda: _looped(FastModel(ours), prompt, n)()
    table(shape, calls, {"float32": FastModel(_off_the_grid(ours)), **models}, options)


def table(
    shape: GPTConfig, calls: dict[str, Callable], models: dict[str, FastModel], options: Options
) -> None:
    """Prints the speeds; the limit is the products with weights as wide as the row's."""
    least = {kind: products(model) for kind, model in models.items()}
    for kind, seconds in least.items():
        size = models[kind].n_bytes / 1e6
        print(f"products alone, {kind}: {seconds * 1e6:.1f} µs a token, {size:.1f} MB")
    widths = {name: next((kind for kind in KINDS if kind in name), "float32") for name in calls}
    report(
        f"batch 1, +{NEW} tokens, {shape.n_layers}L d{shape.d_model} V{shape.vocab_size}; "
        "limit: the matrix–vector products alone",
        "tokens/s",
        [Candidate(name, call, NEW, NEW * least[widths[name]]) for name, call in calls.items()],
        options,
    )


def check(
    ours: GPT,
    theirs: torch.nn.Module,
    models: dict[str, FastModel],
    calls: dict[str, Callable],
    prompt: Tensor,
    n: int,
) -> None:
    """Gates: parameters, logits of the model and of its snapshots, and every id that is generated."""
    print(f"gates, {ours.config.n_layers}L d{ours.config.d_model} V{ours.config.vocab_size}:")
    count = sum(p.numel() for p in theirs.parameters())
    gate("parameters", ours.n_parameters == count, f"{ours.n_parameters:,} and {count:,}")
    with torch.no_grad():
        want = theirs(prompt).logits
        gate_close("logits", ours(prompt), want, 1e-4)
        gate_close("logits of the eager snapshot", Decoder(ours).read(prompt[0]), want[0, -1:], 1e-4)
        for kind, model in models.items():
            want = rounded(ours, kind)(prompt)[0, -1:]
            gate(f"format {kind}", model.kind == kind, model.kind)
            gate_close(f"logits of the loops, {kind}", Sequence(model, PROMPT).read(prompt[0]), want, 1e-4)
    wanted = hf.greedy(theirs, prompt, n)[0, PROMPT:]
    for name, call in calls.items():
        if "int" not in name:
            gate(f"ids of {name}", torch.equal(call().flatten()[-n:], wanted), f"{n} tokens")


def losses(n: int) -> None:
    """Prints what each format costs the shipped model, in bits per byte of its own kind of text."""
    from tinygpt.lineage import shipped
    from tinygpt.lineage.suite import suite

    kept = shipped("pretrain")
    measure = suite(kept.tokenizer, n)["bits per byte"]
    before = measure(kept.model)["all"]
    print(f"the shipped model, {n} texts of a kind: {before:.4f} bits per byte")
    for kind in KINDS:
        after = measure(rounded(kept.model, kind))["all"]
        print(f"  {kind}: {after:.4f}, {after - before:+.4f}")


def products(model: FastModel) -> float:
    """Returns the CPU seconds in which a token's matrix–vector products are done, and nothing else."""
    from benchmarks.products import all_products

    state = Sequence(model, 1).state
    taken = []
    for _ in range(12):
        started = time.process_time()
        all_products(model.weights, state, 50)
        taken.append((time.process_time() - started) / 50)
    return median(taken[1:])


def raw(model: GPT, prompt: Tensor, n: int) -> Tensor:
    """Returns n likeliest tokens from the eager snapshot."""
    with torch.inference_mode():
        decoder = Decoder(model, PROMPT + n)
        new = [decoder.read(prompt[0]).argmax(-1)]
        while len(new) < n:
            new.append(decoder.read(new[-1]).argmax(-1))
        return torch.cat(new)


def _looped(model: FastModel, prompt: Tensor, n: int) -> Callable[[], Tensor]:
    return lambda: torch.cat(list(likeliest(model, prompt[0], n)))


def _off_the_grid(model: GPT) -> GPT:
    """A copy of which no format but float32 holds the weights."""
    copy = rounded(model, "float32")
    with torch.no_grad():
        copy.head.weight.mul_(1 + 2**-12)
    return copy


def _no_loops() -> str | None:
    return why_not(GPT(LAPTOP))
