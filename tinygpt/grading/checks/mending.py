"""The repair in chapter 04's bug hunt: a whole block of one head."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from tinygpt.grading.checks.attend import FUSED, attend
from tinygpt.grading.checks.draws import normal, scattered
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law

DOUBLE = torch.float64


def mended_oracle(x: Tensor, qkv: Tensor, out: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """PyTorch's encoder layer with a causal mask, which wants its weights transposed."""
    D, F_ = x.shape[-1], up.shape[-1]
    layer = torch.nn.TransformerEncoderLayer(
        D, 1, F_, dropout=0.0, batch_first=True, norm_first=True, dtype=x.dtype
    )
    weights = {"self_attn.in_proj_weight": qkv.T, "self_attn.out_proj.weight": out.T}
    weights |= {"linear1.weight": up.T, "linear2.weight": down.T}
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            if name in weights:
                parameter.copy_(weights[name])
            elif name.endswith("bias"):
                parameter.zero_()
        future = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
        return layer(x, src_mask=future)


def mended_attempt(
    x: Tensor,
    qkv: Tensor,
    out: Tensor,
    up: Tensor,
    down: Tensor,
    *,
    kept: str = "both",
    norms: str = "copies",
    mask: str = "causal",
    scale: str = "√K",
    second: str = "the sum",
) -> Tensor:
    """The block with a knob for each known way to go wrong."""
    first = x if norms in ("none", "no first", "after") else _norm(x)
    q, k, v = (first @ qkv).chunk(3, dim=-1)
    wrote = attend(q, k, v, mask=mask, scale=scale) @ out
    base = first if norms in ("both on the stream", "first on the stream") else x
    h = wrote if kept in ("second only", "neither") else base + wrote
    if norms in ("both on the stream", "second on the stream", "after"):
        h = _norm(h)
    read = x if second == "the old stream" else h
    read = read if norms in ("none", "no second", "after") else _norm(read)
    wrote = torch.relu(read @ up) @ down
    h = wrote if kept in ("first only", "neither") else (x if kept == "old" else h) + wrote
    return _norm(h) if norms in ("after", "at the end") else h


def _norm(x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:])


def reads_the_future(call: Call, args: tuple, got: Tensor) -> bool:
    x, *weights = args
    middle = x.shape[1] // 2
    x = x.clone()
    x[:, middle:] = x[:, middle:].flip(-1) + 1.5
    return not torch.allclose(call(x, *weights)[:, :middle], got[:, :middle], atol=1e-4, equal_nan=True)


def changes_the_stream(call: Call, args: tuple, got: Tensor) -> bool:
    x, qkv, out, up, down = args
    return not torch.allclose(call(x, qkv, 0 * out, up, 0 * down), x, atol=1e-4)


def _block(
    generator: Generator,
    B: int,
    T: int,
    D: int,
    F: int,
    *,
    volumes: tuple[float, float] = (1.0, 1.0),
    dtype: torch.dtype = torch.float32,
    draw: Call = normal,
) -> tuple[Tensor, ...]:
    shapes = ((D, 3 * D), (D, D), (D, F), (F, D))
    qkv, out, up, down = (draw(generator, *shape, dtype=dtype) * 1.5 / shape[0] ** 0.5 for shape in shapes)
    return 2 * draw(generator, B, T, D, dtype=dtype), qkv, volumes[0] * out, up, volumes[1] * down


OFF = "The mask is off by one still: "
STREAM = (
    "`x = norm(x)` overwrites the stream, and later sums build on the copy. Give the copy a name of its own."
)

mended = Exercise(
    name="mended",
    arguments=("x", "qkv", "out", "up", "down"),
    returns="B T D",
    reference=mended_oracle,
    attempt=mended_attempt,
    faults=(
        Fault(
            "nothing mended",
            "This is the colleague's block as it was. Begin with what your tool names first.",
            {"kept": "first only", "mask": "blind"},
        ),
        Fault(
            "residual dropped after mlp",
            "What the feed-forward layer writes replaces the stream. The last line is a sum too.",
            {"kept": "first only"},
        ),
        Fault(
            "residual dropped after attention",
            "What attention writes replaces the stream. Add it.",
            {"kept": "second only"},
        ),
        Fault("no residual", "Both parts replace the stream instead of adding to it.", {"kept": "neither"}),
        Fault(
            "second norm on the stream itself",
            f"The sum after attention is normalised. {STREAM}",
            {"norms": "second on the stream"},
        ),
        Fault(
            "first norm on the stream itself",
            f"The stream is normalised on the way in. {STREAM}",
            {"norms": "first on the stream"},
        ),
        Fault(
            "both norms on the stream itself",
            f"The stream is normalised twice. {STREAM}",
            {"norms": "both on the stream"},
        ),
        Fault(
            "norm after the sum",
            "This is a sound *post-norm* block. It passes the residual on, but not unchanged: here each "
            "part reads a normalised copy.",
            {"norms": "after"},
        ),
        Fault(
            "norm at the end",
            "The answer is normalised once more. The stream leaves the block as it is.",
            {"norms": "at the end"},
        ),
        Fault(
            "no norm before attention",
            "Attention reads the bare stream: `attention(norm(x), ...)`.",
            {"norms": "no first"},
        ),
        Fault(
            "no norm before mlp",
            "The feed-forward layer reads the bare stream: normalise a copy for it.",
            {"norms": "no second"},
        ),
        Fault(
            "no norms",
            "Both parts read the bare stream. The norms belong before them, on copies.",
            {"norms": "none"},
        ),
        Fault(
            "mask off by one",
            f"{OFF}but for the first, no position sees itself. Hide what lies strictly *above* the diagonal, "
            "`triu(1)`, and the first row needs no help.",
            {"mask": "blind"},
        ),
        Fault(
            "mask off by one",
            f"{OFF}no position sees itself, and the first, left with nothing, averages all of them. Hide "
            "what lies strictly *above* the diagonal: `triu(1)`.",
            {"mask": "strict, finite"},
        ),
        Fault(
            "mask off by one",
            f"{OFF}no position sees itself, and −inf everywhere gives nan in the first row. Hide what lies "
            "strictly *above* the diagonal: `triu(1)`.",
            {"mask": "strict"},
        ),
        Fault(
            "mask off by one", f"{OFF}now each position sees the next one. Hide `triu(1)`.", {"mask": "loose"}
        ),
        Fault("no mask", "The mask is gone, and the whole future leaks. Hide `triu(1)`.", {"mask": "no"}),
        Fault(
            "masked with zero",
            "The hidden scores are 0, and exp(0) = 1 is a lot of attention. Keep `masked_fill(..., "
            "-torch.inf)`.",
            {"mask": "zero"},
        ),
        Fault(
            "second part reads the old stream",
            "The feed-forward layer reads the stream as it was before attention wrote to it. It reads the "
            "sum.",
            {"second": "the old stream"},
        ),
        Fault(
            "attention's part lost",
            "The last sum starts from the *old* stream, so what attention wrote is lost.",
            {"kept": "old"},
        ),
        Fault(
            "not scaled",
            "The scores are not divided by `√K`, which the colleague had right.",
            {"scale": "none"},
        ),
    ),
    laws=(
        Law(
            "future leaks",
            "The future leaks: another stream at later positions changes the answer at earlier ones.",
            reads_the_future,
        ),
        Law(
            "the stream is not handed on",
            "With `out` and `down` zero nothing is written, and the stream should leave as it came. It "
            "does not.",
            changes_the_stream,
        ),
    ),
    cases=(
        Case(
            "parts that write nothing: the stream comes out as it went in",
            lambda g: _block(g, 2, 4, 4, 6, volumes=(0, 0)),
        ),
        Case("attention alone", lambda g: _block(g, 2, 6, 4, 8, volumes=(1, 0))),
        Case("one position, both parts", lambda g: _block(g, 3, 1, 6, 8)),
        Case("both parts, a batch", lambda g: _block(g, 2, 7, 6, 12)),
        Case(
            "double precision, not in order in memory",
            lambda g: _block(g, 2, 5, 4, 8, dtype=DOUBLE, draw=scattered),
        ),
    ),
    tolerance=1e-3,  # a norm of a norm is the same but for eps, and tells nobody which of the two was meant
    shortcuts=FUSED,
)
