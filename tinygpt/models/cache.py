"""Keys and values of the tokens already seen, so that each is computed once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tinygpt.models.attention import Geometry, geometry

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

    from tinygpt.models.config import GPTConfig


class KVCache:
    """Holds the keys and values of every layer in memory that is allocated once.

    Of a model with a window it keeps as many tokens as one sees, the last ones. Use it under
    `torch.no_grad()`: it is written in place, which a backward pass cannot go through.

    Args:
        config: shape of the model.
        batch_size: number of sequences, B.
        length: longest sequence to hold, in tokens.
        device: where the model is.
        dtype: type of the activations.
        first: for rows of different lengths, which then stand flush right: at which place each begins. What
            is before it is nothing, whatever token is given there. None when all begin at place 0.

    Attributes:
        used: tokens that came so far. The model advances it at the end of each forward pass.

    Example:
        >>> from tinygpt.models import GPT, GPTConfig
        >>> model = GPT(GPTConfig(vocab_size=8, n_layers=1, context=16))
        >>> cache = KVCache(model.config, batch_size=1, length=16)
        >>> _ = model(torch.tensor([[1, 2, 3]]), cache)
        >>> cache.used
        3
    """

    def __init__(
        self,
        config: GPTConfig,
        batch_size: int,
        length: int,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        first: Int[Tensor, " B"] | None = None,
    ) -> None:
        self.window = config.window
        room = length if config.window is None else min(length, config.window)
        shape = (config.n_layers, batch_size, config.kv_heads, room, config.d_head)
        self.keys = torch.zeros(shape, device=device, dtype=dtype)
        self.values = torch.zeros(shape, device=device, dtype=dtype)
        self.memory: dict[int, tuple[Tensor, Tensor]] = {}
        self.length = length
        self.first = first
        self.used = 0

    @property
    def nbytes(self) -> int:
        """Memory of the cache, in bytes: 2 · layers · B · G · length · K · bytes per number.

        A window that is less than the length takes its place in the product. What cross-attention remembers
        of another sequence comes on top.
        """
        other = sum(part.nbytes for pair in self.memory.values() for part in pair)
        return self.keys.nbytes + self.values.nbytes + other

    @property
    def seen(self) -> int:
        """How many of the tokens that came are seen by the next one; the last ones."""
        return self.used if self.window is None else min(self.used, self.window - 1)

    def reach(self, n_new: int) -> int:
        """Returns how long the rows will be when `n_new` more tokens have come."""
        return self.used + n_new

    def places(self, n_new: int) -> slice | Int[Tensor, "B T"]:
        """Returns the positions of the next `n_new` tokens, counted in each row from its beginning."""
        if self.first is None:
            return slice(self.used, self.used + n_new)
        places = torch.arange(self.used, self.used + n_new, device=self.first.device)
        return (places - self.first[:, None]).clamp(min=0)

    def padding(self, n_new: int) -> Bool[Tensor, "B S"] | None:
        """Returns which of the keys will be no tokens when `n_new` have come; None when all will be."""
        if self.first is None:
            return None
        keys = torch.arange(self.used - self.seen, self.used + n_new, device=self.first.device)
        return keys < self.first[:, None]

    def geometry(self, config: GPTConfig, x: Float[Tensor, "B T D"]) -> Geometry:
        """Returns who may look at whom when the tokens of x follow those that came."""
        return geometry(config, self.used, x, padding=self.padding(x.shape[1]))

    def select(self, rows: Int[Tensor, " B"]) -> None:
        """Makes these rows the batch: some, to drop the others, or one many times, to go on from it."""
        self.keys, self.values = self.keys[:, rows], self.values[:, rows]
        self.memory = {layer: (k[rows], v[rows]) for layer, (k, v) in self.memory.items()}
        if self.first is not None:
            self.first = self.first[rows]

    def rewind(self, n: int) -> None:
        """Forgets all tokens but the first n.

        Raises:
            ValueError: when fewer came, or when a window has slid: what it then showed is gone.
        """
        if not 0 <= n <= self.used:
            raise ValueError(f"{self.used} tokens came, and going back is to fewer; got {n}.")
        if n and self.used > self.keys.shape[3]:
            raise ValueError(
                f"the window of {self.window} tokens has slid over {self.used}, and what it hides is gone. "
                "Go back to 0, and read the tokens again."
            )
        self.used = n

    def remember(
        self, layer: int, offer: Callable[[], tuple[Tensor, Tensor]]
    ) -> tuple[Float[Tensor, "B G S K"], Float[Tensor, "B G S K"]]:
        """Returns the keys and values of another sequence, asking for them only once per layer."""
        if layer not in self.memory:
            self.memory[layer] = offer()
        return self.memory[layer]

    def append(
        self, layer: int, keys: Float[Tensor, "B G T K"], values: Float[Tensor, "B G T K"]
    ) -> tuple[Float[Tensor, "B G S K"], Float[Tensor, "B G S K"]]:
        """Stores the new keys and values of one layer; returns those of all S = seen + T tokens in sight.

        Raises:
            ValueError: when the cache is full or was made for another batch size.
        """
        end = self.used + keys.shape[2]
        if end > self.length:
            raise ValueError(
                f"the cache holds {self.length} tokens; {self.used} are in it and {keys.shape[2]} more came. "
                f"Make it with length={end} or more."
            )
        if keys.shape[0] != self.keys.shape[1]:
            raise ValueError(f"the cache is for {self.keys.shape[1]} sequences; got {keys.shape[0]}.")
        if end > self.keys.shape[3]:
            return self._slide(self.keys[layer], keys), self._slide(self.values[layer], values)
        self.keys[layer, :, :, self.used : end] = keys
        self.values[layer, :, :, self.used : end] = values
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]

    def _slide(self, held: Tensor, new: Tensor) -> Float[Tensor, "B G S K"]:
        """Returns what is seen of what is held, and the new; of that, the last is held from now on."""
        room = held.shape[2]
        end = min(self.used, room)
        in_sight = torch.cat([held[:, :, end - self.seen : end], new], dim=2)
        held.copy_(in_sight[:, :, -room:])
        return in_sight
