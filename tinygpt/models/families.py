"""The relatives of GPT: the encoder, which reads both ways, and the encoder-decoder, which rewrites."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from tinygpt.models.attention import Geometry, geometry
from tinygpt.models.blocks import blocks, norm
from tinygpt.models.tap import Tap
from tinygpt.models.transformer import GPT, Transformer, through

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

    from tinygpt.models.cache import KVCache
    from tinygpt.models.config import GPTConfig


class Encoder(Transformer):
    """Says, at every position, which token belongs there, having seen the tokens on both sides.

    Nothing is masked but padding. Trained to fill in blanks it is BERT; its normed stream (`unembed=False`)
    is a vector per token for whatever comes after.

    Taps: as in `GPT`.

    Args:
        config: the shape.
        seed: fixes the initial weights; None draws from PyTorch's global generator.

    Example:
        >>> from tinygpt.models import GPTConfig
        >>> model = Encoder(GPTConfig(vocab_size=16, n_layers=1), seed=0)
        >>> model(torch.tensor([[1, 2, 3]])).shape
        torch.Size([1, 3, 16])

    Source: Devlin et al. 2019, "BERT", section 3.
    """

    def forward(
        self,
        tokens: Int[Tensor, "*shape"],
        padding: Bool[Tensor, "B T"] | None = None,
        *,
        unembed: bool = True,
    ) -> Float[Tensor, "B T out"]:
        """Returns the logits, B × T × V, or the normed stream, B × T × D.

        Args:
            tokens: ids, B × T.
            padding: true where there is no token; every row needs one that is real.
            unembed: False returns the normed stream.

        Raises:
            ValueError: when the tokens are not a batch of rows, or longer than a learned table.
        """
        x = self._embed(tokens)
        x = through(self, x, geometry(self.config, 0, x, causal=False, padding=padding))
        return self.head(x) if unembed else x


class Half(nn.Module):
    """The encoder's or the decoder's part of an `EncoderDecoder`: blocks and a norm."""

    def __init__(self, config: GPTConfig, *, cross: bool) -> None:
        super().__init__()
        self.blocks, self.norm = blocks(config, cross=cross), norm(config)
        self.embedded, self.normed = Tap(), Tap()


class EncoderDecoder(Transformer):
    """Predicts the next token of one sequence from what precedes it and from all of another, the source.

    The encoder reads the source in both directions; each block of the decoder attends to its own past and
    then, by cross-attention, to what the encoder made of the source. Both halves have `n_layers` blocks and
    one table of tokens.

    Taps: `encoder.…` and `decoder.…` as in `GPT`, and `decoder.blocks.*.cross.pattern` (B H T S), which
    shows where in the source each token looks.

    Args:
        config: the shape of either half.
        seed: fixes the initial weights; None draws from PyTorch's global generator.

    Example:
        >>> from tinygpt.models import GPTConfig
        >>> model = EncoderDecoder(GPTConfig(vocab_size=16, n_layers=1), seed=0)
        >>> source, so_far = torch.tensor([[5, 6, 7, 8]]), torch.tensor([[1, 2]])
        >>> model(source, so_far).shape
        torch.Size([1, 2, 16])

    Source: Vaswani et al. 2017, section 3.1; with `norm_first` the norms stand as in Xiong et al. 2020.
    """

    def _build(self, config: GPTConfig) -> None:
        if not config.ff_width:
            raise ValueError("an encoder-decoder needs feed-forward layers; got d_ff=0.")
        self._build_tables(config)
        self.encoder, self.decoder = Half(config, cross=False), Half(config, cross=True)
        self._build_head(config)

    def encode(
        self, source: Int[Tensor, "B S"], padding: Bool[Tensor, "B S"] | None = None
    ) -> Float[Tensor, "B S D"]:
        """Returns what the decoder's cross-attention reads; `padding` is true where there is no token."""
        x = self._embed(source)
        return through(self.encoder, x, geometry(self.config, 0, x, causal=False, padding=padding))

    def forward(
        self,
        source: Int[Tensor, "B S"],
        tokens: Int[Tensor, "*shape"],
        padding: Bool[Tensor, "B S"] | None = None,
        cache: KVCache | None = None,
        *,
        unembed: bool = True,
    ) -> Float[Tensor, "B T out"]:
        """Returns the logits of what follows each of the tokens, B × T × V.

        Args:
            source: ids of the sequence to read, B × S.
            tokens: ids of the sequence to continue, B × T.
            padding: true where the source has no token; every row needs one that is real.
            cache: what earlier calls saw of the tokens and, computed once, of the source.
            unembed: False returns the normed stream (B × T × D) instead.

        Raises:
            ValueError: when the ids are no batches of rows, or positions run past a learned table.
        """
        known = cache is not None and cache.memory
        memory = None if known else self.encode(source, padding)
        x, where = self._enter(tokens, cache)
        there = Geometry(source.shape[1], tokens.shape[1], x.device, causal=False, padding=padding)
        x = through(self.decoder, x, where, cache, memory, there)
        if cache is not None:
            cache.used += tokens.shape[1]
        return self.head(x) if unembed else x

    def given(self, source: Int[Tensor, "B S"], padding: Bool[Tensor, "B S"] | None = None) -> Given:
        """Returns the model of the second sequence alone, which every function for a `GPT` takes.

        Args:
            source: ids, B × S.
            padding: true where the source has no token.

        Example:
            >>> from tinygpt.models import GPTConfig
            >>> from tinygpt.sampling import generate
            >>> model = EncoderDecoder(GPTConfig(vocab_size=16, n_layers=1), seed=0)
            >>> generate(model.given(torch.tensor([[5, 6, 7]])), [1], max_new_tokens=4).shape
            torch.Size([5])
        """
        return Given(self, source, padding)


class Given(nn.Module):
    """An `EncoderDecoder` with its source: from tokens B × T to logits B × T × V."""

    def __init__(self, model: EncoderDecoder, source: Tensor, padding: Tensor | None = None) -> None:
        super().__init__()
        self.model, self.source, self.padding = model, source, padding
        self.config, self.embed, self.head = model.config, model.embed, model.head

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.model.device

    def forward(
        self, tokens: Int[Tensor, "B T"], cache: KVCache | None = None, *, unembed: bool = True
    ) -> Float[Tensor, "B T out"]:
        """Returns the logits; the arguments are those of `GPT.forward`."""
        return self.model(self.source, tokens, self.padding, cache, unembed=unembed)


def head_is_plain(model: nn.Module) -> bool:
    """Whether the logits are the normed stream times the head's matrix, and nobody waits to see them.

    Then a caller may pass `unembed=False` and apply the head where it pays.
    """
    if type(model) not in (GPT, Encoder, Given):
        return False
    if type(model.head) is not nn.Linear or model.head.bias is not None:
        return False
    return not (model._forward_hooks or model.head._forward_hooks or model.head._forward_pre_hooks)
