"""The blocks of a transformer: what is added to the residual stream, and where it is normalised."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor, nn

from tinygpt.models.attention import Attention, CrossAttention, Geometry
from tinygpt.models.norms import RMSNorm
from tinygpt.models.tap import Tap

if TYPE_CHECKING:
    from jaxtyping import Float

    from tinygpt.models.cache import KVCache
    from tinygpt.models.config import GPTConfig


def relu2(x: Tensor) -> Tensor:
    """max(0, x)². Source: So et al. 2021, "Primer", section 4."""
    return F.relu(x).square()


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu_tanh": partial(F.gelu, approximate="tanh"),
    "relu2": relu2,
    "swiglu": F.silu,
}


def norm(config: GPTConfig) -> nn.Module:
    """Returns the norm that the config asks for, over the last dimension, with a learned gain."""
    if config.norm == "rmsnorm":
        return RMSNorm(config.d_model)
    return nn.LayerNorm(config.d_model, eps=1e-5, bias=config.bias)


class MLP(nn.Module):
    """Widens each token's vector, applies a nonlinearity, and narrows it again. Tap: `hidden` (B T F)."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.up = nn.Linear(config.d_model, config.ff_width, bias=config.bias)
        self.down = nn.Linear(config.ff_width, config.d_model, bias=config.bias)
        self.activation = ACTIVATIONS[config.activation]
        self.hidden = Tap()

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        return self.down(self.hidden(self.activation(self.up(x))))


class GatedMLP(MLP):
    """SwiGLU: `down(silu(gate(x)) · up(x))`, a product in place of a mere nonlinearity.

    It has three matrices; F = 8/3 · D makes it as large as an `MLP` of F = 4 · D.

    Source: Shazeer 2020, "GLU Variants Improve Transformer", equation 6.
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__(config)
        self.gate = nn.Linear(config.d_model, config.ff_width, bias=config.bias)

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        return self.down(self.hidden(self.activation(self.gate(x)) * self.up(x)))


class AttentionBlock(nn.Module):
    """Adds what attention found to the residual stream. Taps: `attn_out`, `residual` (B T D)."""

    def __init__(self, config: GPTConfig, layer: int) -> None:
        super().__init__()
        self.attn_norm, self.attn = norm(config), Attention(config, layer)
        self.attn_out, self.residual = Tap(), Tap()

    def forward(
        self, x: Float[Tensor, "B T D"], where: Geometry, cache: KVCache | None = None
    ) -> Float[Tensor, "B T D"]:
        return self.residual(x + self.attn_out(self.attn(self.attn_norm(x), where, cache)))


class Block(AttentionBlock):
    """Attention, then a feed-forward layer, each added to the stream. More taps: `middle`, `mlp_out`."""

    def __init__(self, config: GPTConfig, layer: int) -> None:
        super().__init__(config, layer)
        self.mlp_norm = norm(config)
        self.mlp = GatedMLP(config) if config.activation == "swiglu" else MLP(config)
        self.middle, self.mlp_out = Tap(), Tap()

    def forward(
        self, x: Float[Tensor, "B T D"], where: Geometry, cache: KVCache | None = None
    ) -> Float[Tensor, "B T D"]:
        x = self.middle(x + self.attn_out(self.attn(self.attn_norm(x), where, cache)))
        return self.residual(x + self.mlp_out(self.mlp(self.mlp_norm(x))))


class PostNormBlock(Block):
    """A `Block` that normalises each sum instead of each sublayer's input, as the first transformers did.

    The stream itself passes through every norm, so gradients do too. Source: Vaswani et al. 2017,
    section 3.1; compared with the other order by Xiong et al. 2020.
    """

    def forward(
        self, x: Float[Tensor, "B T D"], where: Geometry, cache: KVCache | None = None
    ) -> Float[Tensor, "B T D"]:
        x = self.middle(self.attn_norm(x + self.attn_out(self.attn(x, where, cache))))
        return self.residual(self.mlp_norm(x + self.mlp_out(self.mlp(x))))


class CrossBlock(Block):
    """A `Block` that, between attention and feed-forward layer, also attends to another sequence.

    More taps: `cross_out`, `crossed` (B T D).
    """

    def __init__(self, config: GPTConfig, layer: int) -> None:
        super().__init__(config, layer)
        self.cross_norm, self.cross = norm(config), CrossAttention(config, layer)
        self.cross_out, self.crossed = Tap(), Tap()

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        where: Geometry,
        cache: KVCache | None,
        memory: Float[Tensor, "B S D"] | None,
        there: Geometry,
    ) -> Float[Tensor, "B T D"]:
        x = self.middle(x + self.attn_out(self.attn(self.attn_norm(x), where, cache)))
        x = self.crossed(x + self.cross_out(self.cross(self.cross_norm(x), memory, there, cache)))
        return self.residual(x + self.mlp_out(self.mlp(self.mlp_norm(x))))


class PostNormCrossBlock(CrossBlock):
    """A `CrossBlock` that normalises each sum, as the decoder of the first transformer did."""

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        where: Geometry,
        cache: KVCache | None,
        memory: Float[Tensor, "B S D"] | None,
        there: Geometry,
    ) -> Float[Tensor, "B T D"]:
        x = self.middle(self.attn_norm(x + self.attn_out(self.attn(x, where, cache))))
        x = self.crossed(self.cross_norm(x + self.cross_out(self.cross(x, memory, there, cache))))
        return self.residual(self.mlp_norm(x + self.mlp_out(self.mlp(x))))


def blocks(config: GPTConfig, *, cross: bool = False) -> nn.ModuleList:
    """Returns the stack of blocks that the config asks for."""
    if cross:
        kind = CrossBlock if config.norm_first else PostNormCrossBlock
    elif config.ff_width:
        kind = Block if config.norm_first else PostNormBlock
    else:
        kind = AttentionBlock
    return nn.ModuleList(kind(config, layer) for layer in range(config.n_layers))
