"""The decoder-only transformer: embedding, blocks, norm, head."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tinygpt.models.attention import Attention, Geometry, geometry
from tinygpt.models.norms import RMSNorm
from tinygpt.models.tap import Tap

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from tinygpt.models.cache import KVCache
    from tinygpt.models.config import GPTConfig

ACTIVATIONS = {
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "relu2": lambda x: F.relu(x).square(),
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
        self.mlp_norm, self.mlp = norm(config), MLP(config)
        self.middle, self.mlp_out = Tap(), Tap()

    def forward(
        self, x: Float[Tensor, "B T D"], where: Geometry, cache: KVCache | None = None
    ) -> Float[Tensor, "B T D"]:
        x = self.middle(x + self.attn_out(self.attn(self.attn_norm(x), where, cache)))
        return self.residual(x + self.mlp_out(self.mlp(self.mlp_norm(x))))


class GPT(nn.Module):
    """Predicts, at every position, the token that comes next.

    Taps: `embedded`, `blocks.*`, `normed` (B T D); `tinygpt.models.taps(model)` lists them all.

    Args:
        config: the shape.
        seed: fixes the initial weights, the same on every device, and leaves PyTorch's global generator
            alone; None draws from it.

    Example:
        >>> from tinygpt.models import GPTConfig
        >>> model = GPT(GPTConfig(vocab_size=16, n_layers=1), seed=0)
        >>> model(torch.tensor([[1, 2, 3]])).shape
        torch.Size([1, 3, 16])

    Source: Radford et al. 2019, section 2.3: pre-norm blocks, tables from N(0, 0.02²), and matrices that
    write into the residual stream divided by √(number of writes). The other matrices are drawn from
    N(0, 1/inputs), which at widths of a few hundred learns faster than GPT-2's 0.02².
    """

    def __init__(self, config: GPTConfig, *, seed: int | None = None) -> None:
        super().__init__()
        self.config = config
        # PyTorch's layers draw weights of their own first; with a seed nobody must notice.
        with torch.random.fork_rng(devices=[], enabled=seed is not None):
            self._build(config)
        self._initialise(seed)

    def _build(self, config: GPTConfig) -> None:
        self.embed = nn.Embedding(config.vocab_size, config.d_model)
        if config.position == "learned":
            self.position = nn.Embedding(config.context, config.d_model)
        block = Block if config.ff_width else AttentionBlock
        self.blocks = nn.ModuleList(block(config, layer) for layer in range(config.n_layers))
        self.norm = norm(config)
        self.head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        if config.tied:
            self.head.weight = self.embed.weight
        self.embedded, self.normed = Tap(), Tap()

    def forward(
        self, tokens: Int[Tensor, "*shape"], cache: KVCache | None = None, *, unembed: bool = True
    ) -> Float[Tensor, "B T out"]:
        """Returns the logits, B × T × V.

        Args:
            tokens: ids, B × T.
            cache: what earlier calls saw; these tokens are appended to it.
            unembed: False returns the normed residual stream (B × T × D) instead, for losses that
                apply the head themselves.

        Raises:
            ValueError: when the tokens are not a batch of rows, or positions run past a learned table.
        """
        if tokens.ndim != 2:
            raise ValueError(
                f"tokens must be B × T, got shape {tuple(tokens.shape)}. For one row: tokens[None]."
            )
        start = 0 if cache is None else cache.used
        x = self.embedded(self._embed(tokens, start))
        where = geometry(self.config, start, tokens.shape[1], x)
        for block in self.blocks:
            x = block(x, where, cache)
        if cache is not None:
            cache.used += tokens.shape[1]
        x = self.normed(self.norm(x))
        return self.head(x) if unembed else x

    def _embed(self, tokens: Int[Tensor, "B T"], start: int) -> Float[Tensor, "B T D"]:
        x = self.embed(tokens)
        if self.config.position != "learned":
            return x
        end = start + tokens.shape[1]
        if end > self.config.context:
            raise ValueError(
                f"learned positions end at context={self.config.context}; {end} tokens came. "
                'Shorten the input, or train with position="rope" or "alibi", which can go further.'
            )
        return x + self.position.weight[start:end]

    @torch.no_grad()
    def _initialise(self, seed: int | None) -> None:
        generator = None if seed is None else torch.Generator("cpu").manual_seed(seed)

        def draw(parameter: Tensor, std: float) -> None:
            parameter.copy_(torch.empty(parameter.shape, device="cpu").normal_(0.0, std, generator=generator))

        writes = self.config.n_layers * (2 if self.config.ff_width else 1)
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
            elif name.startswith(("embed", "position", "head")):
                draw(parameter, 0.02)
            elif parameter.ndim == 2:
                std = parameter.shape[1] ** -0.5
                std *= writes**-0.5 if name.endswith(("attn.out.weight", "mlp.down.weight")) else 1.0
                draw(parameter, std)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.embed.weight.device

    @property
    def n_parameters(self) -> int:
        """Number of weights, each counted once."""
        return sum(p.numel() for p in self.parameters())

    def extra_repr(self) -> str:
        return f"{self.n_parameters:,} parameters"


def head_is_plain(model: nn.Module) -> bool:
    """Whether the logits are the normed stream times the head's matrix, and nobody waits to see them.

    Then a caller may pass `unembed=False` and apply the head where it pays.
    """
    if type(model) is not GPT or type(model.head) is not nn.Linear or model.head.bias is not None:
        return False
    return not (model._forward_hooks or model.head._forward_hooks or model.head._forward_pre_hooks)
