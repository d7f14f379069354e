"""A snapshot of a GPT that reads one more token of many sequences at once, on a CPU.

It shares its cache with the model, which reads the prompts; from there on each step is stripped to its
arithmetic as in `Decoder`, which is faster still for a single sequence.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from tinygpt.models import GPT, Block, KVCache, StaticCache, alibi_slopes, rope_angles
from tinygpt.sampling.decoder import Affine, activation, folded, normaliser, side_by_side, widening

if TYPE_CHECKING:
    from jaxtyping import Float, Int


class Stepper:
    """Gives the logits of what comes next in each row of a batch.

    Args:
        model: on the CPU, in float32; its weights are copied, so training it further does not change the
            snapshot.
        length: longest sequence, in tokens.

    Raises:
        ValueError: when the model is post-norm.

    Example:
        >>> from tinygpt.models import GPTConfig
        >>> model = GPT(GPTConfig(vocab_size=16, n_layers=1, d_model=16), seed=0).requires_grad_(False)
        >>> cache, tokens = KVCache(model.config, 2, length=4), torch.tensor([[1, 2, 3], [4, 5, 6]])
        >>> _ = model(tokens[:, :2], cache)
        >>> logits = Stepper(model, length=4).read(tokens[:, 2], cache)
        >>> torch.allclose(logits, model(tokens)[:, -1], atol=1e-5)
        True
    """

    def __init__(self, model: GPT, length: int) -> None:
        config = self.config = model.config
        if not config.norm_first:
            raise ValueError("a snapshot folds norms into the next matrix; a post-norm model has none there.")
        self.embedding = model.embed.weight.detach().clone()
        self.position = model.position.weight.detach().clone() if config.position == "learned" else None
        self.turns = rope_angles(torch.arange(length), config.d_head, config.rope_base)
        self.slopes = alibi_slopes(config.n_heads) if config.position == "alibi" else None
        self.normalise = normaliser(config.norm, config.d_model)
        self.layers = [_Layer(block) for block in model.blocks]
        self.head = folded(model.norm, model.head)

    @torch.inference_mode()
    def read(self, tokens: Int[Tensor, " B"], cache: KVCache) -> Float[Tensor, "B V"]:
        """Appends a token to each row and returns the logits of what follows it."""
        x = self.embedding[tokens]
        if self.position is not None:
            x = x + self.position[cache.places(1)].view(-1, x.shape[1])
        where = self._where(cache, len(x))
        for i, layer in enumerate(self.layers):
            mixed = self._attend(layer.qkv(self.normalise(x)), i, cache, *where)
            x = layer.out.add_to(x, mixed)
            if layer.up is not None:
                x = layer.down.add_to(x, layer.activation(layer.up(self.normalise(x))))
        cache.used += 1
        return self.head(self.normalise(x))

    def _attend(
        self, qkv: Tensor, layer: int, cache: KVCache, bias: Tensor, cos: Tensor, sin: Tensor
    ) -> Tensor:
        c, B = self.config, len(qkv)
        heads = qkv.view(B, -1, c.d_head)
        q, k, v = heads.split([c.n_heads, c.kv_heads, c.kv_heads], dim=1)
        if c.position == "rope":
            q, k = _turned(heads[:, : c.n_heads + c.kv_heads], cos, sin).split([c.n_heads, c.kv_heads], dim=1)
        keys, values = cache.append(layer, k[:, :, None], v[:, :, None])
        # The queries that share a key head stand in a row, as if they were positions.
        q = q.reshape(B * c.kv_heads, -1, c.d_head)
        pattern = torch.baddbmm(bias, q, keys.flatten(0, 1).mT, alpha=c.d_head**-0.5).softmax(dim=-1)
        return torch.bmm(pattern, values.flatten(0, 1)).view(B, -1)

    def _where(self, cache: KVCache, B: int) -> tuple[Tensor, Tensor, Tensor]:
        """What is added to the scores (B·G × queries × keys, or 1 × 1 × 1), and RoPE's cos and sin."""
        c = self.config
        if isinstance(cache, StaticCache):  # each row has its own place
            where = cache.geometry(c, self.embedding.new_empty(B, 1, 0))
            cos, sin = where.rotation or (self.turns[0][None, None], self.turns[1][None, None])
            return self._grouped(where.bias, B), cos[:, 0], sin[:, 0]
        cos, sin = (part[cache.used] for part in self.turns)
        return self._bias(cache, B), cos, sin

    def _bias(self, cache: KVCache, B: int) -> Float[Tensor, "rows queries keys"]:
        """−inf where a row has no token yet, and ALiBi's penalty."""
        padding, bias = cache.padding(1), torch.zeros(1, 1, 1, 1)
        if self.slopes is not None:
            away = torch.arange(cache.seen, -1, -1)
            bias = -(self.slopes[:, None] * away)[None, :, None]
        if padding is not None:
            bias = torch.where(padding[:, None, None], -math.inf, bias)
        return self._grouped(bias, B) if bias.numel() > 1 else bias[0]

    def _grouped(self, bias: Float[Tensor, "b h 1 S"], B: int) -> Float[Tensor, "rows queries keys"]:
        """For the queries that share a key head, one beneath the other."""
        c = self.config
        bias = bias.expand(B, c.n_heads, 1, -1) if bias.shape[1] > 1 else bias.expand(B, c.kv_heads, 1, -1)
        return bias.reshape(B * c.kv_heads, -1, bias.shape[3])


def _turned(x: Float[Tensor, "B heads K"], cos: Tensor, sin: Tensor) -> Float[Tensor, "B heads K"]:
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


class _Layer:
    def __init__(self, block: nn.Module) -> None:
        attn, full = block.attn, isinstance(block, Block)
        self.qkv: Affine = side_by_side([folded(block.attn_norm, part) for part in (attn.q, attn.k, attn.v)])
        self.out = folded(None, attn.out)
        self.up = widening(block.mlp_norm, block.mlp) if full else None
        self.down = folded(None, block.mlp.down) if full else None
        self.activation = activation(block.mlp) if full else None
