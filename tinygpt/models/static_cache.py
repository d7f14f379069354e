"""A cache of tensors that keep their shape, as a compiled step needs them, and rows that each go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tinygpt.models.attention import Geometry
from tinygpt.models.cache import KVCache
from tinygpt.models.positions import alibi_slopes, rope_angles

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from tinygpt.models.config import GPTConfig


class StaticCache(KVCache):
    """Holds the keys and values of every layer in tensors that are given to attention whole, at every step.

    A `KVCache` shows attention what came so far, which grows: each step has another shape. Here it sees all
    `length` places, with what is not there yet masked, and where the next token goes is a tensor too. So
    every step is the same to `torch.compile` and to a CUDA graph, which record it once. Each row has its own
    number of tokens, and all begin at place 0. A window is masked, too; nothing is forgotten.

    Use it under `torch.no_grad()`, as a `KVCache`.

    Args:
        config: shape of the model.
        batch_size: number of sequences, B.
        length: longest sequence to hold, in tokens.
        device: where the model is.
        dtype: type of the activations.

    Attributes:
        used: tokens of each row, B. The model advances it; set it back, and what came later is forgotten.

    Example:
        >>> from tinygpt.models import GPT, GPTConfig
        >>> model = GPT(GPTConfig(vocab_size=8, n_layers=1, context=16))
        >>> cache = StaticCache(model.config, batch_size=2, length=16)
        >>> _ = model(torch.tensor([[1, 2, 3], [4, 5, 6]]), cache)
        >>> cache.used, cache.keys[0].shape
        (tensor([3, 3]), torch.Size([2, 4, 16, 32]))
    """

    def __init__(
        self,
        config: GPTConfig,
        batch_size: int,
        length: int,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        shape, where = (batch_size, config.kv_heads, length, config.d_head), {"device": device}
        # One for each layer: a compiled step writes into it, but would copy a slice of a larger one.
        self.keys = [torch.zeros(shape, dtype=dtype, **where) for _ in range(config.n_layers)]
        self.values = [torch.zeros(shape, dtype=dtype, **where) for _ in range(config.n_layers)]
        self.used = torch.zeros(batch_size, dtype=torch.long, **where)
        self.memory: dict[int, tuple[Tensor, Tensor]] = {}
        self.length, self.window, self.first = length, config.window, None

    @property
    def nbytes(self) -> int:
        """Memory of the cache, in bytes: 2 · layers · B · G · length · K · bytes per number."""
        other = sum(part.nbytes for pair in self.memory.values() for part in pair)
        return sum(part.nbytes for part in (*self.keys, *self.values)) + other

    def reset(self) -> None:
        """Forgets all tokens of all rows."""
        self.used.zero_()

    def rewind(self, n: int) -> None:
        """Forgets all tokens of each row but the first n."""
        self.used.clamp_(max=n)

    def columns(self, n_new: int) -> int:
        """Returns how many places attention is shown when `n_new` tokens come: all of them."""
        return self.length

    def reach(self, n_new: int) -> int:
        """Returns how long a row may be: a number that does not change."""
        return self.length

    def places(self, n_new: int) -> Int[Tensor, "B T"]:
        """Returns the positions of the next `n_new` tokens of each row."""
        return self.used[:, None] + torch.arange(n_new, device=self.used.device)

    def geometry(self, config: GPTConfig, x: Float[Tensor, "B T D"]) -> Geometry:
        """Returns who may look at whom when the tokens of x follow those that came.

        Raises:
            ValueError: when the cache was made for another batch size, or a row would outgrow it, for which a
                compiled step does not look.
        """
        n_new, rotation, slopes = x.shape[1], None, None
        if len(x) != len(self.used):
            raise ValueError(f"the cache is for {len(self.used)} sequences; got {len(x)}.")
        if not torch.compiler.is_compiling() and (end := int(self.used.max()) + n_new) > self.length:
            raise ValueError(f"the cache holds rows of {self.length} tokens; one would have {end}.")
        places = self.places(n_new)
        if config.position == "rope":
            cos, sin = rope_angles(places, config.d_head, config.rope_base)
            rotation = cos[:, None], sin[:, None]
        if config.position == "alibi":
            slopes = alibi_slopes(config.n_heads).to(x.device)
        shape = (self.columns(n_new), n_new, x.device)
        return Geometry(*shape, True, rotation, slopes, None, config.window, places)

    def select(self, rows: Int[Tensor, " B"]) -> None:
        """Makes these rows the batch, in tensors of another shape."""
        self.keys = [part[rows] for part in self.keys]
        self.values = [part[rows] for part in self.values]
        self.memory = {layer: (k[rows], v[rows]) for layer, (k, v) in self.memory.items()}
        self.used = self.used[rows]

    def append(
        self, layer: int, keys: Float[Tensor, "B G T K"], values: Float[Tensor, "B G T K"]
    ) -> tuple[Float[Tensor, "B G S K"], Float[Tensor, "B G S K"]]:
        """Stores the new keys and values of one layer where each row goes on; returns all places."""
        n_new, rows = keys.shape[2], torch.arange(len(keys), device=keys.device)
        at, shown = (rows[:, None], slice(None), self.places(n_new)), slice(self.columns(n_new))
        self.keys[layer][at], self.values[layer][at] = keys.transpose(1, 2), values.transpose(1, 2)
        return self.keys[layer][:, :, shown], self.values[layer][:, :, shown]
