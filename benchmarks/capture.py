"""What it costs to look inside one forward pass at batch 1, and not to look.

Three comparisons: all attention patterns beside a plain pass, alone and then beside Hugging Face; `capture`
beside `run_with_cache` of transformer_lens; a model nobody watches beside the same model without taps.

Alone comes first, because peers load PyTorch's compiler, and where that is loaded `capture` must tell it to
stand aside, which costs those without peers nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from benchmarks.core import Candidate, Options, gate, gate_close, report
from benchmarks.limits import limits
from benchmarks.peers import huggingface as hf
from benchmarks.peers import lens
from benchmarks.untapped import untapped
from tinygpt.interp import capture
from tinygpt.models import GPT, from_hf_gpt2, gpt2_shape, taps

SHAPE = gpt2_shape(4096, n_layers=4, n_heads=4, d_model=128, context=128)
LENGTHS = (64, 128)
PATTERNS = "blocks.*.attn.pattern"
# What is kept → our taps and the endings of transformer_lens' names; none means everything there is.
KEPT = {
    "all patterns": ((PATTERNS,), ("hook_pattern",)),
    "all patterns and residuals": (
        (PATTERNS, "blocks.*.middle", "blocks.*.residual"),
        ("hook_pattern", "hook_resid_mid", "hook_resid_post"),
    ),
    "everything": ((), ()),
}


@torch.no_grad()
def main(options: Options) -> None:
    """Gates: same logits watched or not and without taps, the peers' patterns. Then the tables."""
    alone(options)
    if reason := hf.why_not():
        print(f"skipped: {reason}")
        return
    theirs = hf.build(SHAPE, attention="eager").eval()
    ours = from_hf_gpt2(theirs)
    bare = untapped(ours)
    if reason := lens.why_not():
        print(f"skipped: {reason}")
    bridge = None if reason else lens.build(theirs)
    inputs = [_tokens(length) for length in LENGTHS]
    for tokens in inputs:
        check(ours, theirs, tokens)
        check_untapped(ours, bare, tokens)
        if bridge is not None:
            check_lens(ours, bridge, tokens)
    if options.quick:
        return
    limits(options)
    for tokens in inputs:
        against_plain(ours, theirs, tokens, options)
        against_untapped(ours, bare, tokens, options)
        if bridge is not None:
            against_lens(ours, bridge, tokens, options)


def alone(options: Options) -> None:
    """Table: all patterns beside a forward pass that keeps nothing, with no peer in the process."""
    ours = GPT(SHAPE, seed=0).eval()
    print("gates, alone:")
    gate("PyTorch's compiler is not loaded", "torch._dynamo" not in sys.modules)
    for tokens in map(_tokens, LENGTHS):
        with capture(ours, PATTERNS):
            watched = ours(tokens)
        gate_close(f"logits watched and not, T{tokens.shape[1]}", watched, ours(tokens), 1e-4)
        if not options.quick:
            candidates = [
                Candidate("tinygpt, plain forward", lambda tokens=tokens: ours(tokens)),
                Candidate("tinygpt, capture", lambda tokens=tokens: kept(ours, tokens, PATTERNS)),
            ]
            rows = report(_title("all patterns, alone", tokens), "passes/s", candidates, options)
            print(f"capturing costs {1 / rows[1]['ratio'] - 1:+.1%} (wanted: at most 10 %)")


def check(ours: GPT, theirs: nn.Module, tokens: Tensor) -> None:
    """Gates: watching changes no logit, and what is seen is what Hugging Face sees."""
    print(f"gates, capture, T{tokens.shape[1]}:")
    with capture(ours, PATTERNS) as seen:
        watched = ours(tokens)
    gate_close("logits watched and not", watched, ours(tokens), 1e-4)
    _same("patterns", dict(seen), dict(enumerate(hf.patterns(theirs, tokens))))


def check_untapped(ours: GPT, bare: nn.Module, tokens: Tensor) -> None:
    """Gates: the model without taps has none, and computes the same."""
    print(f"gates, without taps, T{tokens.shape[1]}:")
    gate("taps", bool(taps(ours)) and not taps(bare), f"{len(taps(ours))} and {len(taps(bare))}")
    gate_close("logits with taps and without", ours(tokens), bare(tokens), 0.0)


def check_lens(ours: GPT, bridge: Callable[..., Tensor], tokens: Tensor) -> None:
    """Gates: transformer_lens has the same logits, and what it keeps under its names we keep under ours."""
    print(f"gates, {lens.NAME}, T{tokens.shape[1]}:")
    gate_close("logits", ours(tokens), bridge(tokens), 1e-4)
    for what, (names, endings) in KEPT.items():
        if names:  # of everything there is, each package has its own list
            _same(what, kept(ours, tokens, *names), lens.run_with_cache(bridge, tokens, endings))


def _same(what: str, ours: Mapping[str, Tensor], theirs: Mapping[object, Tensor]) -> None:
    gate(f"{what}, how many", len(ours) == len(theirs), f"{len(ours)} and {len(theirs)}")
    pairs = zip(ours.values(), theirs.values(), strict=True)
    worst = max((a - b).abs().max().item() if a.shape == b.shape else float("inf") for a, b in pairs)
    gate(what, worst <= 1e-5, f"largest difference {worst:.1e}, allowed 1e-05")


def against_plain(ours: GPT, theirs: nn.Module, tokens: Tensor, options: Options) -> None:
    """Table: all patterns beside a forward pass that keeps nothing."""
    candidates = [
        Candidate("tinygpt, plain forward", lambda: ours(tokens)),
        Candidate("tinygpt, capture", lambda: kept(ours, tokens, PATTERNS)),
        Candidate(f"{hf.NAME} eager, plain", lambda: theirs(tokens, use_cache=False)),
        Candidate(f"{hf.NAME} eager, attentions", lambda: hf.patterns(theirs, tokens)),
    ]
    rows = report(_title("all patterns", tokens), "passes/s", candidates, options)
    print(f"capturing costs {1 / rows[1]['ratio'] - 1:+.1%} with PyTorch's compiler loaded")


def against_untapped(ours: GPT, bare: nn.Module, tokens: Tensor, options: Options) -> None:
    """Table: a model nobody watches beside the same model without taps."""
    candidates = [
        Candidate("tinygpt, taps taken out", lambda: bare(tokens)),
        Candidate("tinygpt, nobody watches", lambda: ours(tokens)),
    ]
    rows = report(_title("unwatched", tokens), "passes/s", candidates, options)
    print(f"taps cost {1 / rows[1]['ratio'] - 1:+.1%} (wanted: at most 2 %)")


def against_lens(ours: GPT, bridge: Callable[..., Tensor], tokens: Tensor, options: Options) -> None:
    """A table for each amount kept: `run_with_cache` and `capture`."""
    for what, (names, endings) in KEPT.items():
        n_theirs = len(lens.run_with_cache(bridge, tokens, endings))
        n_ours = len(kept(ours, tokens, *names))
        candidates = [
            Candidate(
                f"{lens.NAME}, {n_theirs} kept",
                lambda endings=endings: lens.run_with_cache(bridge, tokens, endings),
            ),
            Candidate(f"tinygpt, {n_ours} kept", lambda names=names: kept(ours, tokens, *names)),
        ]
        rows = report(_title(what, tokens), "passes/s", candidates, options)
        print(f"{rows[1]['ratio']:.2f} times as fast (wanted: at least 2)")


def kept(model: GPT, tokens: Tensor, *names: str) -> dict[str, Tensor]:
    """Returns what one forward pass leaves at the taps of these names."""
    with capture(model, *names) as seen:
        model(tokens)
    return seen


def _title(what: str, tokens: Tensor) -> str:
    return f"{what}, {SHAPE.n_layers}L d{SHAPE.d_model} B1 T{tokens.shape[1]}"


def _tokens(length: int) -> Tensor:
    return torch.randint(SHAPE.vocab_size, (1, length), generator=torch.Generator().manual_seed(0))
