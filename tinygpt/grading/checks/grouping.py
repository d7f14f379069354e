"""Exercise 3 of chapter 12: weights in a few bits, group by group."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Generator, Tensor

from tinygpt.grading.checks.draws import normal, whole
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law

DOUBLE = torch.float64
Quantised = tuple[Tensor, Tensor]


def groups_oracle(weights: Tensor, bits: int, size: int) -> Quantised:
    """Group by group in NumPy, whose rint takes halves to the even number, as torch.round does."""
    largest = 2 ** (bits - 1) - 1
    rows, C = weights.numpy(), weights.shape[1]
    codes = np.zeros(rows.shape, dtype=np.int8)
    scales = np.zeros((rows.shape[0], -(-C // size)), dtype=rows.dtype)
    for r, row in enumerate(rows):
        for n, start in enumerate(range(0, C, size)):
            part = row[start : start + size]
            scales[r, n] = np.abs(part).max() / largest
            if scales[r, n] > 0:
                codes[r, start : start + size] = np.rint(part / scales[r, n])
    return torch.from_numpy(codes), torch.from_numpy(scales)


def groups_attempt(
    weights: Tensor,
    bits: int,
    size: int,
    *,
    largest: str = "symmetric",
    reach: str = "size",
    grouping: str = "neighbours",
    rounding: str = "nearest",
    empty: str = "zero",
    output: str = "codes",
    short: str = "kept",
    scale: str = "step",
) -> Quantised:
    """Codes and scales with a knob for each known way to go wrong."""
    top = {
        "symmetric": 2 ** (bits - 1) - 1,
        "negative too": 2 ** (bits - 1),
        "unsigned": 2**bits - 1,
        "bits": bits,
        "always int8": 127,
        "half": 2 ** (bits - 1) - 0.5,
    }[largest]
    (R, C), missing = weights.shape, -weights.shape[1] % size
    rows, n = torch.nn.functional.pad(weights, (0, missing)), -(-C // size)
    groups = rows.reshape(R, size, n).mT if grouping == "in turn" else rows.reshape(R, n, size)
    peak = _peaks(weights, groups, size, reach, grouping, short)
    scales = peak / top + (1e-6 if empty == "epsilon" else 0.0)
    if empty == "clamped":
        scales = scales.clamp(min=1e-5)
    codes = ROUNDING[rounding](groups / torch.where(scales > 0, scales, 1.0)[..., None])
    if reach != "size" or largest == "negative too":
        codes = codes.clamp(-top, top - 1 if largest == "negative too" else top)
    codes = (codes.mT if grouping == "in turn" else codes).reshape(R, n * size)
    codes = codes[:, :C] if short != "padded" else codes
    if short == "dropped" and missing:
        keep = C // size
        codes = codes.index_fill(1, torch.arange(keep * size, C), 0.0)
        scales = scales.index_fill(1, torch.tensor([keep]), 0.0)
    scales = _told(scales, peak, empty, scale, size, C)
    if output == "weights":
        return codes * scales.repeat_interleave(size, 1)[:, :C], scales
    if output == "shifted":
        codes = codes + top + 1
    return codes if rounding == "not at all" else _small(codes), scales


def _peaks(weights: Tensor, groups: Tensor, size: int, reach: str, grouping: str, short: str) -> Tensor:
    """The largest size in each group, rows × groups; some mistakes share one among more."""
    peak = _reach(groups, reach)
    if short == "borrows":
        peak = torch.cat([peak[:, :-1], weights[:, -size:].abs().amax(1, keepdim=True)], 1)
    shared = {"rows": 1, "columns": 0, "everything": (0, 1)}
    return peak.amax(shared[grouping], keepdim=True).expand_as(peak) if grouping in shared else peak


def _told(scales: Tensor, peak: Tensor, empty: str, scale: str, size: int, C: int) -> Tensor:
    """The scales as they are returned."""
    if empty == "one":
        scales = torch.where(scales > 0, scales, 1.0)
    if empty == "nan":
        scales = scales.masked_fill(scales == 0, torch.nan)
    if scale == "inverse":
        return torch.where(scales > 0, 1 / scales, scales)
    if scale == "per weight":
        return scales.repeat_interleave(size, 1)[:, :C]
    return peak if scale == "peak" else scales


def _reach(groups: Tensor, reach: str) -> Tensor:
    return {
        "size": groups.abs().amax(-1),
        "largest": groups.amax(-1),
        "range": groups.amax(-1) - groups.amin(-1),
        "mean": 2 * groups.abs().mean(-1),
        "root mean square": 2 * groups.square().mean(-1).sqrt(),
    }[reach]


ROUNDING: dict[str, Callable[[Tensor], Tensor]] = {
    "nearest": torch.round,
    "cut off": torch.trunc,
    "down": torch.floor,
    "up": torch.ceil,
    "halves up": lambda x: (x + 0.5).floor(),
    "halves away": lambda x: (x.abs() + 0.5).floor() * x.sign(),
    "not at all": lambda x: x,
}


def _small(codes: Tensor) -> Tensor:
    return codes.to(torch.int8) if (codes == codes.round()).all() else codes


def wrong_shapes(call: Call, args: tuple, got: Quantised) -> bool:
    weights, _, size = args
    R, C = weights.shape
    return [tuple(part.shape) for part in got] != [(R, C), (R, -(-C // size))]


def wrong_types(call: Call, args: tuple, got: Quantised) -> bool:
    return got[0].dtype != torch.int8 or got[1].dtype != args[0].dtype


def out_of_range(call: Call, args: tuple, got: Quantised) -> bool:
    largest = 2 ** (args[1] - 1) - 1
    return bool((got[0].double().abs() > largest).any())


def far_off(call: Call, args: tuple, got: Quantised) -> bool:
    """Code × scale is within half a step of the weight."""
    weights, _, size = args
    codes, scales = got
    wide = scales.repeat_interleave(size, 1)[:, : weights.shape[1]]
    return bool(((codes * wide - weights).abs() > wide / 2 * 1.001 + 1e-9).any())


def coarse(call: Call, args: tuple, got: Quantised) -> bool:
    """Every group that is not empty uses its largest code."""
    weights, bits, size = args
    pad = torch.nn.functional.pad(got[0].abs(), (0, -weights.shape[1] % size))
    best = pad.reshape(len(weights), -1, size).amax(-1)
    return bool(((best != 2 ** (bits - 1) - 1) & (best > 0)).any())


def _weights(
    R: int, C: int, bits: int, size: int, dtype: torch.dtype = torch.float32
) -> Callable[[Generator], tuple]:
    return lambda g: (normal(g, R, C, dtype=dtype), bits, size)


def _outlier(g: Generator) -> tuple:
    """One large weight, which must cost its own group alone."""
    weights = 0.02 * normal(g, 3, 16)
    weights[1, 5] = -3.0
    return weights, 4, 4


def _zeros(g: Generator) -> tuple:
    weights = normal(g, 3, 12)
    weights[0, 4:8] = 0
    weights[2] = 0
    return weights, 4, 4


def _tiny(g: Generator) -> tuple:
    """Weights so small that any safety margin is larger than they are."""
    return 1e-8 * normal(g, 2, 8, dtype=DOUBLE), 8, 4


def _halves(g: Generator) -> tuple:
    """Steps of exactly 1, and weights that lie in the middle between two of them."""
    weights = whole(g, 4, 8, largest=5) + 0.5 * whole(g, 4, 8, largest=1)
    weights[:, ::4] = 7.0
    return weights, 4, 4


def _negative(g: Generator) -> tuple:
    return -normal(g, 3, 8).abs() - 0.1, 4, 4


quantise_groups = Exercise(
    name="quantise_groups",
    arguments=("weights", "bits", "size"),
    returns="two tensors: codes (R, C) as int8, scales (R, groups)",
    reference=groups_oracle,
    attempt=groups_attempt,
    tolerance=1e-5,
    faults=(
        Fault(
            "a code too many",
            "You scale by 2^(bits − 1), so that codes from −8 to 7 are used with 4 bits, and the largest "
            "positive weight is cut off. Symmetric codes end at 2^(bits − 1) − 1 on both sides.",
            {"largest": "negative too"},
        ),
        Fault(
            "codes without a sign",
            "You scale by 2^bits − 1. One bit is for the sign: 2^(bits − 1) − 1.",
            {"largest": "unsigned"},
        ),
        Fault("bits as the largest code", "The largest code is the number of bits.", {"largest": "bits"}),
        Fault(
            "127 for any number of bits",
            "The largest code depends on the bits: 7 with 4 of them.",
            {"largest": "always int8"},
        ),
        Fault(
            "half a code too many",
            "The largest code is a whole number, 2^(bits − 1) − 1.",
            {"largest": "half"},
        ),
        Fault(
            "sign forgotten",
            "The scale comes from the largest weight. It is that of the largest *absolute* weight.",
            {"reach": "largest"},
        ),
        Fault(
            "range",
            "The scale comes from largest − smallest. Symmetric codes take the largest |w|.",
            {"reach": "range"},
        ),
        Fault(
            "mean size",
            "The scale comes from the mean of |w|, so that large weights are cut off.",
            {"reach": "mean"},
        ),
        Fault(
            "root mean square",
            "The scale comes from the root mean square, so that large weights are cut off.",
            {"reach": "root mean square"},
        ),
        Fault(
            "one scale a row",
            "All groups of a row have the same scale. Each has its own.",
            {"grouping": "rows"},
        ),
        Fault(
            "one scale for all rows",
            "All rows have the same scales. Each has its own.",
            {"grouping": "columns"},
        ),
        Fault("one scale for everything", "All weights have the same scale.", {"grouping": "everything"}),
        Fault(
            "groups in turn",
            "A group has every n-th weight of a row. It has `size` *neighbours*.",
            {"grouping": "in turn"},
        ),
        Fault(
            "cut off", "You cut the decimals off, `int(...)`. Round to the nearest.", {"rounding": "cut off"}
        ),
        Fault("rounded down", "You round down. Round to the nearest.", {"rounding": "down"}),
        Fault("rounded up", "You round up. Round to the nearest.", {"rounding": "up"}),
        Fault(
            "halves up",
            "A weight in the middle between two codes goes up. `torch.round` takes the even one, so that "
            "such weights do not all move the same way.",
            {"rounding": "halves up"},
        ),
        Fault(
            "halves away from zero",
            "A weight in the middle between two codes goes to the even one.",
            {"rounding": "halves away"},
        ),
        Fault("not rounded", "The codes are no whole numbers.", {"rounding": "not at all"}),
        Fault("a scale of one for zeros", "The scale of a group of zeros is 0.", {"empty": "one"}),
        Fault("zeros divided by zero", "The scale of a group of zeros is not a number.", {"empty": "nan"}),
        Fault(
            "an epsilon added",
            "You add a small number to the scale, which changes every code a little, and those of small "
            "weights a lot. Ask whether the scale is 0.",
            {"empty": "epsilon"},
        ),
        Fault(
            "small scales raised",
            "Scales below some small number are raised to it, and small weights become 0. Ask whether the "
            "scale is 0.",
            {"empty": "clamped"},
        ),
        Fault("short group lost", "The last, short group is missing.", {"short": "dropped"}),
        Fault("short group filled up", "The codes have more columns than the weights.", {"short": "padded"}),
        Fault(
            "short group borrows",
            "The last group takes weights of the one before to be full. It may be short.",
            {"short": "borrows"},
        ),
        Fault(
            "weights back", "These are the rounded weights. Their codes are wanted.", {"output": "weights"}
        ),
        Fault(
            "codes from zero on",
            "The codes are shifted above 0. They keep their sign.",
            {"output": "shifted"},
        ),
        Fault(
            "scale turned over",
            "The scale is what codes are *multiplied* by to get weights back.",
            {"scale": "inverse"},
        ),
        Fault(
            "largest weight for the scale",
            "This is the largest |w|. Divide by the largest code.",
            {"scale": "peak"},
        ),
        Fault(
            "a scale for each weight",
            "The scales stand once for each weight. Once for each group is enough.",
            {"scale": "per weight"},
        ),
    ),
    laws=(
        Law("wrong shapes", "Codes are (R, C) as the weights are, scales are (R, ⌈C / size⌉).", wrong_shapes),
        Law("wrong types", "Codes are int8, and scales keep the precision of the weights.", wrong_types),
        Law("code out of range", "A code is larger than 2^(bits − 1) − 1.", out_of_range),
        Law("too far off", "Code × scale is further than half a step from its weight.", far_off),
        Law("codes to spare", "A group does not use its largest code, so its steps are too coarse.", coarse),
    ),
    cases=(
        Case("one group, 4 bits", _weights(1, 8, 4, 8)),
        Case("three rows of three groups, 8 bits", _weights(3, 24, 8, 8)),
        Case("3 bits, double precision", _weights(4, 20, 3, 5, DOUBLE)),
        Case("one outlier", _outlier),
        Case("negative weights only", _negative),
        Case("a short last group", _weights(3, 19, 4, 8)),
        Case("a row shorter than a group", _weights(2, 5, 8, 16)),
        Case("groups of zeros", _zeros),
        Case("very small weights", _tiny),
        Case("weights in the middle between two codes", _halves, times=2),
        Case("2 bits, groups of one", _weights(2, 6, 2, 1)),
    ),
    shortcuts=("tinygpt.sampling", "torch.quantize_per_channel", "torch.ao.quantization"),
)
