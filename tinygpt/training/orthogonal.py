"""Muon: steps that are orthogonal matrices."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Float

# The slope at 0 is steep, so that small singular values grow in few rounds; large ones end up between 0.7
# and 1.2 and not at 1, which does no harm.
A, B, C = 3.4445, -4.7750, 2.0315
ROUNDS = 5
MOMENTUM = 0.95
LIKE_ADAMW = 0.2


def orthogonalised(
    matrices: Float[Tensor, "N rows columns"], rounds: int = ROUNDS
) -> Float[Tensor, "N rows columns"]:
    """Returns matrices with the same singular vectors and singular values near 1, between about 0.7 and 1.2.

    With X = M / |M|:  X ← a X + (b X Xᵀ + c (X Xᵀ)²) X,  some rounds of it. Each is the polynomial
    a s + b s³ + c s⁵ of every singular value s, and needs only matrix products.

    Args:
        matrices: of one shape.
        rounds: of the polynomial.

    Example:
        >>> turned = orthogonalised(torch.tensor([[[3.0, 0.0], [0.0, 0.1]]]))
        >>> turned[0].diag().round(decimals=1)
        tensor([0.7000, 1.1000])

    Source: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks", the section on
    Newton–Schulz and its coefficients.
    """
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices  # X Xᵀ is then the smaller of the two squares
    x = x / torch.linalg.matrix_norm(x, keepdim=True).clamp(min=1e-7)
    for _ in range(rounds):
        square = torch.bmm(x, x.mT)
        # b X Xᵀ + c (X Xᵀ)² and then a X + (…) X, sum and product in one call each.
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=B, alpha=C), x, beta=A)
    return x.mT if tall else x


class Muon(torch.optim.AdamW):
    """Orthogonal steps for the groups marked `orthogonal`, AdamW for the others.

    An orthogonal step is the averaged gradient with its singular values made alike: directions that the
    gradient hardly asks for are followed as far as those that it asks for most. Its numbers are scaled to the
    size of AdamW's, so one learning rate and one weight decay serve both.

    Args:
        groups: as PyTorch's optimisers take them, each with `orthogonal`, True or False.
        dtype: of the matrix products. bfloat16 is exact enough.
        **options: of AdamW.

    Source: Jordan et al. 2024, "Muon"; the scale, 0.2 √max(rows, columns), is from Liu et al. 2025, "Muon is
    Scalable for LLM Training", equation 4.
    """

    def __init__(
        self, groups: Iterable[dict[str, Any]], *, dtype: torch.dtype = torch.float32, **options: Any
    ) -> None:
        super().__init__(groups, **options)
        self.dtype = dtype

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Makes one step with all groups."""
        groups = self.param_groups
        self.param_groups = [group for group in groups if not group["orthogonal"]]
        try:
            loss = super().step(closure)
        finally:
            self.param_groups = groups
        for group in groups:
            if group["orthogonal"]:
                self._step_orthogonally(group)
        return loss

    @torch.no_grad()
    def _step_orthogonally(self, group: dict[str, Any]) -> None:
        alike: dict[tuple[int, ...], list[Tensor]] = defaultdict(list)
        for weight in group["params"]:
            if weight.grad is not None:
                alike[tuple(weight.shape)].append(weight)
        for shape, weights in alike.items():
            wanted = torch.stack([self._averaged(weight) for weight in weights])
            steps = orthogonalised(wanted.to(self.dtype)).to(wanted.dtype)
            size = LIKE_ADAMW * math.sqrt(max(shape))
            torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_add_(weights, list(steps.unbind()), alpha=-group["lr"] * size)

    def _averaged(self, weight: Tensor) -> Tensor:
        """The gradient averaged over steps, and once more towards where it is going (Nesterov)."""
        state = self.state[weight]
        if not state:
            # AdamW looks for its own count of steps when a state is loaded.
            state.update(step=torch.zeros(()), momentum=torch.zeros_like(weight))
        state["step"] += 1
        state["momentum"].lerp_(weight.grad, 1 - MOMENTUM)
        return weight.grad.lerp(state["momentum"], MOMENTUM)
