"""Exercise 2 of chapter 04: the pre-norm block, built from given parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from tinygpt.grading.checks.draws import normal, scattered
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law
from tinygpt.models import Block, GPTConfig

DOUBLE = torch.float64
Layer = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Part:
    """A small fixed function from a stream B T D to another one, described by plain values.

    Args:
        kind: "attn" (each position reads the mean up to itself), "mlp" (each position by itself), "norm"
            (root mean square 1, then a gain) or "silent" (zeros).
        seed: Chooses the weights.
    """

    kind: str
    seed: int

    def __call__(self, x: Tensor) -> Tensor:
        if self.kind == "silent":
            return torch.zeros_like(x)
        T, D = x.shape[1:]
        weights = normal(Generator().manual_seed(self.seed), D, D, dtype=x.dtype)
        if self.kind == "norm":
            return x / x.square().mean(-1, keepdim=True).add(1e-6).sqrt() * (1 + weights[0].abs())
        if self.kind == "attn":
            x = x.cumsum(1) / torch.arange(1, T + 1, dtype=x.dtype)[:, None]
        return 2 * torch.tanh(x @ weights / D**0.5)


class _Module(nn.Module):
    """A function where PyTorch wants a module. What else a block tells its attention is dropped."""

    def __init__(self, function: Layer) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor, *others: object) -> Tensor:
        return self.function(x)


def block_oracle(x: Tensor, attn: Layer, mlp: Layer, attn_norm: Layer, mlp_norm: Layer) -> Tensor:
    """The package's block, with these parts in it."""
    D = x.shape[-1]
    block = Block(GPTConfig(vocab_size=1, n_heads=1, d_model=D, d_ff=1, position="none"), layer=0)
    block.attn, block.mlp = _Module(attn), _Module(mlp)
    block.attn_norm, block.mlp_norm = _Module(attn_norm), _Module(mlp_norm)
    return block(x, None)


def block_attempt(
    x: Tensor,
    attn: Layer,
    mlp: Layer,
    attn_norm: Layer,
    mlp_norm: Layer,
    *,
    kept: str = "both",
    second: str = "the sum",
    norms: str = "before",
    named: str = "as given",
    order: str = "attn first",
    left_out: str = "",
) -> Tensor:
    """The block with a knob for each known way to go wrong."""
    if order == "mlp first":
        attn, mlp, attn_norm, mlp_norm = mlp, attn, mlp_norm, attn_norm
    if named != "as given":
        norm = {"swapped": (mlp_norm, attn_norm), "first": (attn_norm,) * 2, "second": (mlp_norm,) * 2}
        attn_norm, mlp_norm = norm[named]
    one = (lambda y: torch.zeros_like(y)) if left_out == "attn" else attn
    two = (lambda y: torch.zeros_like(y)) if left_out == "mlp" else mlp
    if norms in ("after", "after, both"):
        h = attn_norm(x + one(x))
        return mlp_norm(h + two(h))
    wrote, h = _first(x, one, attn_norm, kept, norms)
    read = {"the sum": h, "the old stream": x, "what attention wrote": wrote}[second]
    if norms in ("output", "not second", "nowhere"):
        more = mlp_norm(two(read)) if norms == "output" else two(read)
    else:
        more = two(mlp_norm(read))
    if norms == "at the end":
        return mlp_norm(h + two(h))
    base = {"not second": 0 * h, "neither": 0 * h, "normed second": mlp_norm(h), "normed both": mlp_norm(h)}
    base |= {"old": x, "twice": x + h}
    return base.get(kept, h) + more


def _first(x: Tensor, attn: Layer, norm: Layer, kept: str, norms: str) -> tuple[Tensor, Tensor]:
    """What attention writes, and the stream after it."""
    bare = norms in ("not first", "nowhere", "output")
    wrote = attn(x if bare else norm(x))
    wrote = norm(wrote) if norms == "output" else wrote
    base = {"not first": 0 * x, "neither": 0 * x, "normed first": norm(x), "normed both": norm(x)}
    return wrote, base.get(kept, x) + wrote


def drops_the_stream(call: Call, args: tuple, got: Tensor) -> bool:
    """Parts that write nothing leave the stream as it is."""
    x, _, _, attn_norm, mlp_norm = args
    silent = Part("silent", 0)
    return not torch.allclose(call(x, silent, silent, attn_norm, mlp_norm), x, atol=1e-4)


def _ignores(position: int) -> Callable[[Call, tuple, Tensor], bool]:
    def ignored(call: Call, args: tuple, got: Tensor) -> bool:
        kinds = ("", "attn", "mlp")
        args = (*args[:position], Part(kinds[position], 1), *args[position + 1 :])
        return torch.allclose(call(*args), got, atol=1e-5)

    return ignored


def _question(
    B: int, T: int, D: int, size: float = 1.0, silent: str = "", double: bool = False
) -> Callable[[Generator], tuple]:
    def draw(generator: Generator) -> tuple:
        seeds = torch.randint(10**6, (4,), generator=generator).tolist()
        kinds = ("attn", "mlp", "norm", "norm")
        parts = (Part("silent" if kind in silent else kind, s) for kind, s in zip(kinds, seeds, strict=True))
        x = scattered(generator, B, T, D, dtype=DOUBLE) if double else normal(generator, B, T, D)
        return (size * x, *parts)

    return draw


LOST = "`x + attn(attn_norm(x))`, and then the same with `mlp`."

pre_norm_block = Exercise(
    name="pre_norm_block",
    arguments=("x", "attn", "mlp", "attn_norm", "mlp_norm"),
    returns="B T D",
    reference=block_oracle,
    attempt=block_attempt,
    faults=(
        Fault(
            "no residual",
            f"Nothing is added to the stream: each part replaces it. {LOST}",
            {"kept": "neither"},
        ),
        Fault(
            "residual dropped after attention",
            f"Attention's answer replaces the stream instead of being added to it: {LOST}",
            {"kept": "not first"},
        ),
        Fault(
            "residual dropped after mlp",
            "The answer of `mlp` replaces the stream instead of being added to it: the last line is a sum "
            "too.",
            {"kept": "not second"},
        ),
        Fault(
            "second part reads the old stream",
            "`mlp` reads the stream as it was before attention wrote to it. It reads the sum: give the sum a "
            "name and use it twice.",
            {"second": "the old stream"},
        ),
        Fault(
            "second part reads attention alone",
            "`mlp` reads what attention wrote, without the stream. It reads the sum of both.",
            {"second": "what attention wrote"},
        ),
        Fault(
            "attention's part lost",
            "The answer of `mlp` is added to the *old* stream, so what attention wrote is lost. Add it to "
            "the sum.",
            {"kept": "old"},
        ),
        Fault(
            "old stream added twice",
            "The old stream is in the answer twice: the sum after attention already holds it.",
            {"kept": "twice"},
        ),
        Fault(
            "norm after the sum",
            "This is the post-norm block: it normalises the sums. Here each part reads a normalised "
            "*copy*, and the stream itself is never normalised.",
            {"norms": "after"},
        ),
        Fault(
            "norm on the stream itself",
            "The normalised stream is what you add to, in both halves: `x = attn_norm(x)` has overwritten "
            "the stream. Give the copy a name of its own.",
            {"kept": "normed both"},
        ),
        Fault(
            "first norm on the stream itself",
            "What attention writes is added to `attn_norm(x)`. Add it to `x`.",
            {"kept": "normed first"},
        ),
        Fault(
            "second norm on the stream itself",
            "What `mlp` writes is added to the normalised sum. Add it to the sum.",
            {"kept": "normed second"},
        ),
        Fault(
            "norm on what a part writes",
            "The norms stand behind the parts, `x + attn_norm(attn(x))`. They belong before: "
            "`attn(attn_norm(x))`.",
            {"norms": "output"},
        ),
        Fault("no norms", "Neither part's input is normalised.", {"norms": "nowhere"}),
        Fault(
            "no norm before attention",
            "`attn` reads the bare stream: `attn(attn_norm(x))`.",
            {"norms": "not first"},
        ),
        Fault(
            "no norm before mlp",
            "`mlp` reads the bare stream: `mlp(mlp_norm(...))`.",
            {"norms": "not second"},
        ),
        Fault(
            "second norm after the sum",
            "The second norm stands at the very end, on the sum. It belongs before `mlp`.",
            {"norms": "at the end"},
        ),
        Fault(
            "norms swapped",
            "The two norms have changed places: `attn_norm` serves `attn`.",
            {"named": "swapped"},
        ),
        Fault(
            "one norm for both",
            "`attn_norm` serves both parts. Each norm has a gain of its own: use `mlp_norm` before `mlp`.",
            {"named": "first"},
        ),
        Fault(
            "one norm for both",
            "`mlp_norm` serves both parts: use `attn_norm` before `attn`.",
            {"named": "second"},
        ),
        Fault(
            "parts in the wrong order",
            "`mlp` comes first. Attention gathers, then `mlp` works on it.",
            {"order": "mlp first"},
        ),
        Fault("attention left out", "`attn` has no effect.", {"left_out": "attn"}),
        Fault("mlp left out", "`mlp` has no effect.", {"left_out": "mlp"}),
    ),
    laws=(
        Law(
            "the stream is not handed on",
            "Parts that write nothing should leave the stream as it is, number by number; here it changes.",
            drops_the_stream,
        ),
        Law("attention ignored", "With another `attn` the answer is the same.", _ignores(1)),
        Law("mlp ignored", "With another `mlp` the answer is the same.", _ignores(2)),
    ),
    cases=(
        Case(
            "parts that write nothing: the stream comes out as it went in",
            _question(1, 3, 4, silent="attn mlp"),
        ),
        Case("attention alone", _question(2, 4, 5, silent="mlp")),
        Case("both parts, a batch", _question(3, 5, 6), points=2),
        Case("a stream of large numbers", _question(2, 4, 4, size=30.0)),
        Case("double precision, not in order in memory", _question(2, 3, 6, double=True)),
    ),
    shortcuts=("tinygpt.models", "torch.nn.TransformerEncoderLayer"),
)
