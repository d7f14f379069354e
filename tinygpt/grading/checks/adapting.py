"""Exercise 3 of chapter 06: a linear layer with a LoRA adapter."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from tinygpt.grading.checks.draws import normal, scattered
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law


def lora_oracle(x: Tensor, weight: Tensor, A: Tensor, B: Tensor, alpha: float) -> Tensor:
    """One merged matrix."""
    return F.linear(x, torch.addmm(weight, B, A, alpha=alpha / A.shape[0]))


def lora_attempt(
    x: Tensor,
    weight: Tensor,
    A: Tensor,
    B: Tensor,
    alpha: float,
    *,
    scale: str = "alpha / r",
    scaled: str = "adapter",
    base: str = "plain",
    adapter: str = "A, then B",
) -> Tensor:
    """Base plus adapter, with a knob for each known way to go wrong."""
    r, n_in = A.shape
    factor = {
        "alpha / r": alpha / r,
        "alpha": alpha,
        "1 / r": 1 / r,
        "none": 1.0,
        "r / alpha": r / (alpha or 1.0),
        "alpha / sqrt r": alpha / r**0.5,
        "alpha / n_in": alpha / n_in,
        "twice": (alpha / r) ** 2,
    }[scale]
    y = {"plain": x @ weight.mT, "transposed": x @ weight if len(set(weight.shape)) == 1 else x @ weight.mT}
    y["none"] = torch.zeros_like(y["plain"])
    down = x @ A.mT
    if adapter == "bent":
        down = down.relu()
    added = down @ B.mT
    if adapter == "on the base's output":
        added = (y["plain"] @ A.mT) @ B.mT if weight.shape[0] == n_in else added
    if adapter == "backwards":  # fits only where in and out are as wide
        added = x @ B @ A if weight.shape[0] == n_in else added
    return factor * (y[base] + added) if scaled == "both" else y[base] + factor * added


def fresh_adapter_acts(call: Call, args: tuple, got: Tensor) -> bool:
    """With B = 0 the layer is its base."""
    x, weight, A, B, alpha = args
    return not torch.allclose(call(x, weight, A, torch.zeros_like(B), alpha), x @ weight.mT, atol=1e-4)


def adapter_is_deaf(call: Call, args: tuple, got: Tensor) -> bool:
    """Whether B is zero or not, it says the same; with alpha 0 it must."""
    x, weight, A, B, alpha = args
    return alpha != 0 and torch.allclose(call(x, weight, A, torch.zeros_like(B), alpha), got, atol=1e-4)


def alpha_is_no_factor(call: Call, args: tuple, got: Tensor) -> bool:
    """Twice the alpha, twice the adapter."""
    x, weight, A, B, alpha = args
    without = call(x, weight, A, torch.zeros_like(B), alpha)
    return not torch.allclose(call(x, weight, A, B, 2 * alpha) - without, 2 * (got - without), atol=1e-3)


def _drawn(generator: Generator, *batch: int, n_in: int, n_out: int, r: int, alpha: float) -> tuple:
    x, weight = normal(generator, *batch, n_in), normal(generator, n_out, n_in)
    return x, weight, normal(generator, r, n_in), normal(generator, n_out, r), alpha


def _square(generator: Generator) -> tuple:
    """As wide inside as outside, in double precision, and x not in order in memory."""
    double = torch.float64
    x = scattered(generator, 2, 3, 4, dtype=double)
    matrices = (normal(generator, 4, 4, dtype=double) for _ in range(3))
    return x, *matrices, 6.0


lora = Exercise(
    name="lora",
    arguments=("x", "weight", "A", "B", "alpha"),
    returns="... n_out",
    reference=lora_oracle,
    attempt=lora_attempt,
    faults=(
        Fault(
            "scale forgotten",
            "The adapter is not scaled. Multiply what it says by alpha / r; r is the number of A's rows.",
            {"scale": "none"},
        ),
        Fault(
            "alpha without the rank",
            "The adapter is multiplied by alpha alone. Divide by the rank, so that alpha means the same at "
            "every rank.",
            {"scale": "alpha"},
        ),
        Fault("alpha forgotten", "The adapter is divided by the rank; alpha is missing.", {"scale": "1 / r"}),
        Fault("scale upside down", "The scale is r / alpha. It is alpha / r.", {"scale": "r / alpha"}),
        Fault(
            "root of the rank",
            "The scale is alpha / √r. That is another method (rsLoRA); here it is alpha / r.",
            {"scale": "alpha / sqrt r"},
        ),
        Fault(
            "divided by the width",
            "The scale is divided by A's columns, the layer's width. The rank is the number of its *rows*.",
            {"scale": "alpha / n_in"},
        ),
        Fault("scaled twice", "The scale is applied twice, once to each half.", {"scale": "twice"}),
        Fault(
            "base scaled too",
            "The base is multiplied by the scale as well. Scale what the adapter says, then add it.",
            {"scaled": "both"},
        ),
        Fault("base left out", "Only the adapter speaks. Add it to x Wᵀ.", {"base": "none"}),
        Fault(
            "base transposed",
            "`weight` is out × in, as `nn.Linear` stores it: `x @ weight.mT`.",
            {"base": "transposed"},
        ),
        Fault(
            "B before A",
            "A narrows first, then B widens: `(x @ A.mT) @ B.mT`.",
            {"adapter": "backwards"},
        ),
        Fault(
            "adapter on the base's output",
            "The adapter reads what the base gave. It reads the same x as the base: it stands beside it.",
            {"adapter": "on the base's output"},
        ),
        Fault(
            "bent in between",
            "There is a ReLU between A and B. Without a bend the product can be merged into W.",
            {"adapter": "bent"},
        ),
    ),
    laws=(
        Law(
            "fresh adapter acts",
            "With B = 0 the layer must be its base, x Wᵀ: so training begins where the base is.",
            fresh_adapter_acts,
        ),
        Law("adapter does nothing", "Whether B is zero or not makes no difference.", adapter_is_deaf),
        Law("alpha is no factor", "Twice the alpha must add twice as much.", alpha_is_no_factor),
    ),
    cases=(
        Case("one vector, rank 1", lambda g: _drawn(g, n_in=5, n_out=3, r=1, alpha=3.0)),
        Case("a batch of sequences, rank 4", lambda g: _drawn(g, 2, 3, n_in=6, n_out=8, r=4, alpha=2.0)),
        Case("as wide inside as outside", _square, points=2),
        Case("alpha is 0", lambda g: _drawn(g, 3, n_in=4, n_out=6, r=2, alpha=0.0)),
    ),
    shortcuts=("tinygpt.alignment", "peft"),
)
