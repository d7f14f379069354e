"""Exercise 2 of chapter 05: steps of AdamW."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from tinygpt.grading.checks.draws import normal
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law

DOUBLE = torch.float64
EPS = 1e-8


def adamw_oracle(
    weight: Tensor, gradients: Tensor, lr: float, beta1: float, beta2: float, decay: float
) -> Tensor:
    """PyTorch's own."""
    parameter = torch.nn.Parameter(weight.clone())
    optimizer = torch.optim.AdamW([parameter], lr=lr, betas=(beta1, beta2), eps=EPS, weight_decay=decay)
    for gradient in gradients:
        parameter.grad = gradient.clone()
        optimizer.step()
    return parameter.detach()


def adamw_attempt(
    weight: Tensor,
    gradients: Tensor,
    lr: float,
    beta1: float,
    beta2: float,
    decay: float,
    *,
    corrected: str = "both",
    averaged: str = "right",
    root: str = "root + eps",
    decays: str = "apart",
    sign: int = -1,
    kept: bool = True,
) -> Tensor:
    """The steps with a knob for each known way to go wrong."""
    b1, b2 = (beta2, beta1) if averaged == "swapped" else (beta1, beta2)
    w, m, v = weight.clone(), torch.zeros_like(weight), torch.zeros_like(weight)
    for t, gradient in enumerate(gradients, start=1):
        g = gradient + decay * w if decays == "in the gradient" else gradient
        if not kept:
            m, v = torch.zeros_like(m), torch.zeros_like(v)
        share1, share2 = (1.0, 1.0) if averaged == "summed" else (1 - b1, 1 - b2)
        m = b1 * m + share1 * g
        v = b2 * v + share2 * (g if averaged == "not squared" else m**2 if averaged == "of m" else g**2)
        late = t + 1 if corrected == "one step ahead" else t
        m_hat = m / (1 - b1**late) if corrected in ("both", "m", "one step ahead") else m
        v_hat = v / (1 - b2**late) if corrected in ("both", "v", "one step ahead") else v
        if corrected == "one factor":
            m_hat, v_hat = m / (1 - b1), v / (1 - b2)
        below = {
            "root + eps": v_hat.abs().sqrt() + EPS,
            "no root": v_hat + EPS,
        }[root]
        step = m_hat / below
        if decays == "apart":
            w = w - lr * decay * w
        elif decays == "without rate":
            w = w - decay * w
        w = w + sign * lr * (step + decay * w if decays == "after" else step)
    return w


def keeps_weights_without_gradient(call: Call, args: tuple, got: Tensor) -> bool:
    weight, gradients, lr, b1, b2, _ = args
    out = call(weight, 0 * gradients, lr, b1, b2, 0.0)
    return not torch.allclose(out, weight, atol=1e-9)


def mixes_weights(call: Call, args: tuple, got: Tensor) -> bool:
    weight, gradients, *rest = args
    return not torch.allclose(call(weight[:1], gradients[:, :1], *rest), got[:1], atol=1e-6)


def _run(
    N: int, D: int, lr: float = 0.1, decay: float = 0.0, scale: float = 1.0, dtype: torch.dtype = DOUBLE
) -> Callable[[Generator], tuple]:
    def draw(generator: Generator) -> tuple:
        weight, gradients = normal(generator, D, dtype=dtype), normal(generator, N, D, dtype=dtype)
        return weight, scale * gradients, lr, 0.8, 0.95, decay

    return draw


adamw_steps = Exercise(
    name="adamw_steps",
    arguments=("weight", "gradients", "lr", "beta1", "beta2", "decay"),
    returns="D",
    reference=adamw_oracle,
    attempt=adamw_attempt,
    tolerance=1e-5,
    faults=(
        Fault(
            "not corrected",
            "Both averages start at 0 and are too small at first: divide by 1 − β₁ᵗ and 1 − β₂ᵗ, with t "
            "counted from 1.",
            {"corrected": "none"},
        ),
        Fault(
            "v not corrected",
            "The average of squares is not corrected: divide v by 1 − β₂ᵗ.",
            {"corrected": "m"},
        ),
        Fault(
            "m not corrected",
            "The average of gradients is not corrected: divide m by 1 − β₁ᵗ.",
            {"corrected": "v"},
        ),
        Fault(
            "correction without its power",
            "The corrections are those of the first step, at every step: 1 − βᵗ has the power t.",
            {"corrected": "one factor"},
        ),
        Fault(
            "correction one step ahead",
            "The correction of step t uses t + 1. The first gradient is step 1: 1 − β¹.",
            {"corrected": "one step ahead"},
        ),
        Fault(
            "decay in the gradient",
            "Weight decay is added to the gradient, and goes through both averages. That is Adam with an L2 "
            "penalty; AdamW takes it from the weight, apart: `w = w - lr * decay * w`.",
            {"decays": "in the gradient"},
        ),
        Fault(
            "decay without the rate",
            "The decay is not multiplied by the learning rate: `w = w - lr * decay * w`.",
            {"decays": "without rate"},
        ),
        Fault("decay left out", "Nothing decays: `w = w - lr * decay * w`.", {"decays": "none"}),
        Fault(
            "no root",
            "The step divides by v. It divides by its root, so that gradients of any size make steps of one "
            "size.",
            {"root": "no root"},
        ),
        Fault(
            "averages swapped",
            "The factors β₁ and β₂ are exchanged: β₁ averages the gradient, β₂ its square.",
            {"averaged": "swapped"},
        ),
        Fault(
            "square forgotten",
            "The second average takes the gradient itself. It takes its square.",
            {"averaged": "not squared"},
        ),
        Fault(
            "square of the average",
            "The second average takes the square of m. It takes the square of the gradient.",
            {"averaged": "of m"},
        ),
        Fault(
            "sums in place of averages",
            "The new gradient enters with weight 1. An average gives it 1 − β.",
            {"averaged": "summed"},
        ),
        Fault(
            "no memory",
            "Each step starts its averages anew. m and v live on from step to step.",
            {"kept": False},
        ),
        Fault("uphill", "The step is added. Gradients point uphill: subtract.", {"sign": 1}),
    ),
    laws=(
        Law(
            "moves without a gradient",
            "With gradients of 0 and no decay the weights should stay where they are.",
            keeps_weights_without_gradient,
        ),
        Law("weights mix", "A weight's step depends on other weights. It has none here.", mixes_weights),
    ),
    cases=(
        Case("one step", _run(1, 3)),
        Case("seven steps", _run(7, 4)),
        Case("with weight decay", _run(5, 4, decay=0.5)),
        Case("gradients a thousand times as large", _run(4, 3, scale=1000.0)),
        Case("single precision", _run(5, 6, lr=0.01, decay=0.2, dtype=torch.float32)),
    ),
    shortcuts=("torch.optim", "tinygpt.training"),
)
