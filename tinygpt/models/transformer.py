"""The decoder-only transformer: embedding, blocks, norm, head; and what it shares with its relatives."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from tinygpt.models.attention import Geometry, geometry
from tinygpt.models.blocks import blocks, norm
from tinygpt.models.tap import Tap

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from tinygpt.models.cache import KVCache
    from tinygpt.models.config import GPTConfig

TABLES = ("embed", "position", "head")
WRITES = ("attn.out.weight", "cross.out.weight", "mlp.down.weight")


class Transformer(nn.Module):
    """What all families share: a table of tokens, blocks, a norm, and a head that may be the same table.

    Args:
        config: the shape.
        seed: fixes the initial weights, the same on every device, and leaves PyTorch's global generator
            alone; None draws from it.

    Source: Radford et al. 2019, section 2.3: tables from N(0, 0.02²), and matrices that write into the
    residual stream divided by √(number of writes). The other matrices are drawn from N(0, 1/inputs), which
    at widths of a few hundred learns faster than GPT-2's 0.02².
    """

    def __init__(self, config: GPTConfig, *, seed: int | None = None) -> None:
        super().__init__()
        self.config = config
        # PyTorch's layers draw weights of their own first; with a seed nobody must notice.
        with torch.random.fork_rng(devices=[], enabled=seed is not None):
            self._build(config)
        self._initialise(seed)

    def _build(self, config: GPTConfig) -> None:
        self._build_tables(config)
        self.blocks, self.norm = blocks(config), norm(config)
        self._build_head(config)
        self.embedded, self.normed = Tap(), Tap()

    def _build_tables(self, config: GPTConfig) -> None:
        self.embed = nn.Embedding(config.vocab_size, config.d_model)
        if config.position == "learned":
            self.position = nn.Embedding(config.context, config.d_model)

    def _build_head(self, config: GPTConfig) -> None:
        self.head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        if config.tied:
            self.head.weight = self.embed.weight

    def _embed(self, tokens: Int[Tensor, "*shape"], cache: KVCache | None = None) -> Float[Tensor, "B T D"]:
        if tokens.ndim != 2:
            raise ValueError(
                f"tokens must be B × T, got shape {tuple(tokens.shape)}. For one row: tokens[None]."
            )
        x = self.embed(tokens)
        if self.config.position != "learned":
            return x
        n_new = tokens.shape[1]
        end = n_new if cache is None else cache.reach(n_new)
        if end > self.config.context:
            raise ValueError(
                f"learned positions end at context={self.config.context}; {end} tokens came. "
                'Shorten the input, or train with position="rope" or "alibi", which can go further.'
            )
        return x + self.position.weight[slice(end) if cache is None else cache.places(n_new)]

    def _enter(self, tokens: Int[Tensor, "*shape"], cache: KVCache | None) -> tuple[Tensor, Geometry]:
        """Returns the embedded tokens, and who may look at whom when they follow those in the cache."""
        x = self._embed(tokens, cache)
        return x, geometry(self.config, 0, x) if cache is None else cache.geometry(self.config, x)

    @torch.no_grad()
    def _initialise(self, seed: int | None) -> None:
        generator = None if seed is None else torch.Generator("cpu").manual_seed(seed)

        def draw(parameter: Tensor, std: float) -> None:
            parameter.copy_(torch.empty(parameter.shape, device="cpu").normal_(0.0, std, generator=generator))

        named = dict(self.named_parameters())
        writes = Counter(_stream(name) for name in named if name.endswith(WRITES))
        for name, parameter in named.items():
            if name.endswith("bias"):
                parameter.zero_()
            elif name.startswith(TABLES):
                draw(parameter, 0.02)
            elif parameter.ndim == 2:
                std = parameter.shape[1] ** -0.5
                std *= writes[_stream(name)] ** -0.5 if name.endswith(WRITES) else 1.0
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


def _stream(name: str) -> str:
    """Which residual stream a parameter belongs to: "", or "encoder." and "decoder."."""
    return name.partition("blocks.")[0]


def through(part: nn.Module, x: Tensor, where: Geometry, *others: object) -> Float[Tensor, "B T D"]:
    """Returns what a part's blocks and norm make of embedded tokens."""
    x = part.embedded(x)
    for block in part.blocks:
        x = block(x, where, *others)
    return part.normed(part.norm(x))


class GPT(Transformer):
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

    Source: Radford et al. 2019, section 2.3.
    """

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
        x, where = self._enter(tokens, cache)
        x = through(self, x, where, cache)
        if cache is not None:
            cache.used += tokens.shape[1]
        return self.head(x) if unembed else x
