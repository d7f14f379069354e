"""A snapshot of a GPT for generating one sequence on a CPU, stripped to its arithmetic.

A small model's step is a few microseconds of arithmetic behind hundreds of microseconds of module calls
and tensor bookkeeping. The snapshot keeps the arithmetic: norm gains folded into the matrices that
follow, queries, keys and values in one product, matrices stored as they are read, one cache row per
token and layer written by one copy, and no mask, since the newest token sees everything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tinygpt.models import GPT, MLP, Block, GatedMLP, alibi_slopes, attention_bias, rope_angles

if TYPE_CHECKING:
    from jaxtyping import Float, Int


class Affine(NamedTuple):
    """`x @ weight + bias`; the weight is in × out and contiguous, as one row times it is fastest."""

    weight: Tensor
    bias: Tensor | None

    def __call__(self, x: Tensor) -> Tensor:
        return torch.mm(x, self.weight) if self.bias is None else torch.addmm(self.bias, x, self.weight)

    def add_to(self, residual: Tensor, x: Tensor) -> Tensor:
        out = torch.addmm(residual, x, self.weight)
        return out if self.bias is None else out.add_(self.bias)


class _Layer(NamedTuple):
    qkv: Affine
    out: Affine
    up: Affine | None
    down: Affine | None
    activation: Callable[[Tensor], Tensor] | None
    rows: Float[Tensor, "length width"]
    keys: Float[Tensor, "1 G length K"]
    values: Float[Tensor, "1 G length K"]


class Decoder:
    """Gives the next token's logits for one growing sequence.

    Args:
        model: on the CPU, in float32; its weights are copied, so training it further does not change the
            snapshot.
        length: longest sequence, in tokens; None means the model's context.

    Raises:
        ValueError: when `length` is beyond a learned table of positions, or the model is post-norm.

    Example:
        >>> from tinygpt.models import GPTConfig
        >>> model = GPT(GPTConfig(vocab_size=16, n_layers=1, d_model=16)).eval()
        >>> decoder = Decoder(model)
        >>> tokens = torch.tensor([1, 2, 3])
        >>> torch.allclose(decoder.read(tokens), model(tokens[None])[0, -1:], atol=1e-5)
        True
    """

    def __init__(self, model: GPT, length: int | None = None) -> None:
        config = self.config = model.config
        self.length = config.context if length is None else length
        if config.position == "learned" and self.length > config.context:
            raise ValueError(f"learned positions end at context={config.context}; got length={self.length}.")
        if not config.norm_first:
            raise ValueError("a snapshot folds norms into the next matrix; a post-norm model has none there.")
        self.used, self.sight = 0, config.window or self.length
        self.embedding = model.embed.weight.detach().clone()
        self.position = model.position.weight.detach().clone() if config.position == "learned" else None
        self.normalise = normaliser(config.norm, config.d_model)
        self.turn = (
            _turns(self.length, config.d_head, config.rope_base) if config.position == "rope" else None
        )
        self.slopes = alibi_slopes(config.n_heads) if config.position == "alibi" else None
        if self.slopes is not None:
            self.penalty = -self.slopes[:, None] * torch.arange(self.length - 1, -1, -1)
        self.layers = [self._layer(block) for block in model.blocks]
        self.head = folded(model.norm, model.head)

    def _layer(self, block: nn.Module) -> _Layer:
        attn, G, K = block.attn, self.config.kv_heads, self.config.d_head
        parts = [folded(block.attn_norm, linear) for linear in (attn.q, attn.k, attn.v)]
        if self.turn is not None:
            parts[:2] = [_interleaved(part, K) for part in parts[:2]]
        rows = torch.zeros(self.length, 2, G, K)
        full = isinstance(block, Block)
        return _Layer(
            qkv=side_by_side(parts),
            out=folded(None, attn.out),
            up=widening(block.mlp_norm, block.mlp) if full else None,
            down=folded(None, block.mlp.down) if full else None,
            activation=activation(block.mlp) if full else None,
            rows=rows.view(self.length, -1),
            keys=rows[:, 0].transpose(0, 1)[None],
            values=rows[:, 1].transpose(0, 1)[None],
        )

    @torch.inference_mode()
    def read(self, tokens: Int[Tensor, " T"], last: int = 1) -> Float[Tensor, "last V"]:
        """Appends tokens and returns the logits of what follows each of the `last` ones.

        Raises:
            ValueError: when the sequence would outgrow `length`.
        """
        start, end = self.used, self.used + len(tokens)
        if end > self.length:
            raise ValueError(
                f"the decoder holds {self.length} tokens; {end} came. Make it with a greater length."
            )
        x = self.embedding[tokens]
        if self.position is not None:
            x = x + self.position[start:end]
        bias = self._bias(end)
        turn = None if self.turn is None else self.turn[start:end]
        for layer in self.layers:
            x = self._block(layer, x, start, end, turn, bias)
        self.used = end
        return self.head(self.normalise(x[-last:]))

    def rewind(self, n: int) -> None:
        """Forgets all tokens but the first n.

        Raises:
            ValueError: when fewer were read.
        """
        if not 0 <= n <= self.used:
            raise ValueError(f"{self.used} tokens were read, and going back is to fewer; got {n}.")
        self.used = n

    def _block(
        self, layer: _Layer, x: Tensor, start: int, end: int, turn: Tensor | None, bias: Tensor | None
    ) -> Tensor:
        c, n, D = self.config, end - start, self.config.d_model
        qkv = layer.qkv(self.normalise(x))
        if turn is not None:
            width = (c.n_heads + c.kv_heads) * c.d_head
            pairs = torch.view_as_complex(qkv[:, :width].view(n, -1, c.d_head // 2, 2))
            pairs.mul_(turn)
        layer.rows[start:end] = qkv[:, D:]
        seen = slice(max(0, end - self.sight) if n == 1 else 0, end)
        mixed = self._attend(qkv[:, :D], layer.keys[:, :, seen], layer.values[:, :, seen], n, bias)
        x = layer.out.add_to(x, mixed)
        if layer.up is None or layer.down is None or layer.activation is None:
            return x
        return layer.down.add_to(x, layer.activation(layer.up(self.normalise(x))))

    def _attend(self, q: Tensor, keys: Tensor, values: Tensor, n: int, bias: Tensor | None) -> Tensor:
        c = self.config
        if n == 1:  # the queries that share a key head stand in a row, as if they were positions
            q = q.view(1, c.kv_heads, c.n_heads // c.kv_heads, c.d_head)
            return F.scaled_dot_product_attention(q, keys, values, attn_mask=bias).reshape(1, -1)
        q = q.view(n, c.n_heads, c.d_head).transpose(0, 1)[None]
        groups = c.n_heads // c.kv_heads
        keys, values = keys.repeat_interleave(groups, 1), values.repeat_interleave(groups, 1)
        mixed = F.scaled_dot_product_attention(q, keys, values, attn_mask=bias, is_causal=bias is None)
        return mixed.transpose(1, 2).reshape(n, -1)

    def _bias(self, end: int) -> Tensor | None:
        """What is added to the scores; None where the newest sees every key it is given, or all begin."""
        c, n, seen = self.config, end - self.used, min(end, self.sight)
        if n == 1 and self.slopes is not None:
            return self.penalty[:, self.length - seen :].view(1, c.kv_heads, -1, seen)
        if self.slopes is None and (n == 1 or n == end == seen):
            return None
        return attention_bias(n, end, slopes=self.slopes, window=c.window)[None]


def normaliser(kind: str, width: int):
    shape = (width,)
    if kind == "layernorm":
        return lambda x: torch.layer_norm(x, shape, eps=1e-5)
    return lambda x: torch.rms_norm(x, shape, eps=1e-5)


def folded(before: nn.Module | None, linear: nn.Linear) -> Affine:
    """The linear map with the gain and bias of the norm in front of it worked into its own."""
    weight, bias = linear.weight.detach(), linear.bias
    bias = None if bias is None else bias.detach()
    if before is not None:
        if (shift := getattr(before, "bias", None)) is not None:
            moved = weight @ shift.detach()
            bias = moved if bias is None else bias + moved
        weight = weight * before.weight.detach()
    return Affine(weight.T.contiguous().clone(), None if bias is None else bias.clone())


def widening(before: nn.Module, mlp: MLP) -> Affine:
    """The feed-forward layer's first product; a gated one's two side by side."""
    return side_by_side(
        [folded(before, linear) for linear in ([mlp.gate, mlp.up] if _gated(mlp) else [mlp.up])]
    )


def side_by_side(parts: list[Affine]) -> Affine:
    """The maps of the same input as one."""
    bias = None if parts[0].bias is None else torch.cat([part.bias for part in parts])
    return Affine(torch.cat([part.weight for part in parts], dim=1), bias)


def activation(mlp: MLP) -> Callable[[Tensor], Tensor]:
    if not _gated(mlp):
        return mlp.activation

    def gated(wide: Tensor) -> Tensor:
        gate, up = wide.chunk(2, dim=-1)
        return mlp.activation(gate) * up

    return gated


def _gated(mlp: MLP) -> bool:
    return isinstance(mlp, GatedMLP)


def _turns(length: int, d_head: int, base: float) -> Tensor:
    """RoPE's rotations as complex numbers, length × 1 × K/2."""
    cos, sin = rope_angles(torch.arange(length), d_head, base)
    return torch.complex(cos, sin)[:, None]


def _interleaved(part: Affine, d_head: int) -> Affine:
    """Puts each head's pair (i, i + K/2) side by side, where complex multiplication finds it.

    Queries and keys are reordered alike, so their dot products stay the same.
    """
    order = torch.arange(part.weight.shape[1]).view(-1, 2, d_head // 2).transpose(1, 2).reshape(-1)
    return Affine(part.weight[:, order].contiguous(), None if part.bias is None else part.bias[order])
