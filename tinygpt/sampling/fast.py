"""A GPT packed for the compiled loops, and sequences that they read and continue."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from tinygpt.models import (
    GPT,
    MLP,
    Attention,
    AttentionBlock,
    Block,
    GatedMLP,
    GPTConfig,
    taps,
    uncompiled,
)
from tinygpt.models.blocks import ACTIVATIONS
from tinygpt.models.norms import RMSNorm
from tinygpt.sampling.draws import NOTHING_LEFT
from tinygpt.sampling.packing import loops, shape, up, weights
from tinygpt.sampling.rounding import narrowest

if TYPE_CHECKING:
    from jaxtyping import Float, Int

CHUNK = 64  # tokens that come at once
KNOWN = {GPT, nn.Embedding, nn.ModuleList, Block, AttentionBlock, Attention, MLP, GatedMLP}
KNOWN |= {nn.Linear, nn.LayerNorm, RMSNorm}


def fast(model: GPT) -> FastModel | GPT:
    """Returns what `generate` runs fastest on a CPU: compiled loops where they know the model, else itself.

    The weights are copied, in the narrowest of float32, bfloat16, int8 and int4 that holds all of them
    exactly. So the text is the model's; to trade quality for speed, round it first:
    `fast(rounded(model, "int8"))`. Loops need numba (`pip install "tinygpt[fast]"`), which compiles them at
    first use, in about ten seconds, and keeps the result on disk.

    Example:
        >>> from tinygpt.models import GPTConfig
        >>> from tinygpt.sampling import generate, greedy
        >>> model = GPT(GPTConfig(vocab_size=16, n_layers=1, d_model=16), seed=0)
        >>> generate(fast(model), [1, 2, 3], max_new_tokens=4, filters=[greedy()]).shape
        torch.Size([7])
    """
    return model if why_not(model) else FastModel(model)


def why_not(model: GPT) -> str | None:
    """Returns why the loops cannot run a model, or None."""
    if importlib.util.find_spec("numba") is None:
        return 'numba is not installed: pip install "tinygpt[fast]"'
    model = uncompiled(model)
    if not model.config.norm_first:
        return "the loops normalise before each sublayer; this model is post-norm"
    if model.config.window is not None:
        return "the loops look at all earlier tokens; this model has a window"
    if any(tap.watched for tap in taps(model).values()):
        return "somebody watches or edits activations, which the loops do not keep"
    for name, part in model.named_modules():
        if type(part) not in KNOWN or part._forward_hooks or part._forward_pre_hooks:
            return f"{name or 'the model'} was replaced or has a hook: {type(part).__name__}"
        if isinstance(part, MLP) and not _usual(part, model.config):
            return f"{name} has an activation of its own"
    return None


def _usual(mlp: MLP, config: GPTConfig) -> bool:
    x = torch.linspace(-6.0, 6.0, 97)  # a copied model has copies of functions: compare what they do
    return torch.equal(mlp.activation(x), ACTIVATIONS[config.activation](x))


class FastModel:
    """A snapshot of a GPT for `generate`; training the model further does not change it.

    Args:
        model: one that `why_not` has nothing against.

    Attributes:
        config, device: as of a GPT; the device is the CPU.
        kind: format of the weights: "float32", "bfloat16", "int8" or "int4".
        weights, shape: what the functions of `tinygpt.sampling.loops` take.

    Raises:
        ValueError: when the loops cannot run the model; the message says why.
    """

    def __init__(self, model: GPT) -> None:
        if reason := why_not(model):
            raise ValueError(f"there are no loops for this model: {reason}. generate(model, …) runs any.")
        model = uncompiled(model)
        self.config, self.kind, self.device = model.config, narrowest(model), torch.device("cpu")
        self.weights, self.shape = weights(model, self.kind), shape(model)

    @property
    def n_bytes(self) -> int:
        """Size of the matrices that every step reads, scales and biases included."""
        w = self.weights
        return sum(a.nbytes for matrix in (w.qkv, w.out, w.up, w.down, w.head) for a in matrix)


class Sequence:
    """Tokens that a `FastModel` has read.

    Args:
        model: the snapshot.
        length: longest sequence, in tokens; at most the context.

    Raises:
        ValueError: when `length` is beyond the context.
    """

    def __init__(self, model: FastModel, length: int) -> None:
        if length > model.config.context:
            raise ValueError(f"the loops end at context={model.config.context}; got length={length}.")
        self.model, self.length, self.used, self.ready = model, length, 0, False
        c, own = model.config, loops()
        L, G, K, span = c.n_layers, c.kv_heads, c.d_head, own.SPAN
        steps = up(length, span)
        room = {
            name: np.zeros((own.PANEL, up(n, own.LANES)), np.float32) for name, n in _widths(c, span).items()
        }
        self.state = own.State(
            keys=np.zeros((L, G, steps // span, up(K, own.TOGETHER), span), np.float32),
            values=np.zeros(
                (L, G, steps // own.TOGETHER, up(K, span) // span, own.TOGETHER, span), np.float32
            ),
            stream=np.zeros((own.PANEL, c.d_model), np.float32),
            scores=np.zeros(steps, np.float32),
            **room,
        )

    def read(self, tokens: Int[Tensor, " T"], last: int = 1) -> Float[Tensor, "last V"]:
        """Appends tokens and returns the logits of what follows each of the `last` ones.

        Raises:
            ValueError: when the sequence would outgrow `length`.
        """
        self._grow(len(tokens))
        ids = np.ascontiguousarray(tokens.numpy(), np.int64)
        own, logits = loops(), self.state.logits
        rows = last + own.COLUMNS  # of the last columns, some are not wanted
        out = logits if rows <= len(logits) else np.empty((rows, logits.shape[1]), np.float32)
        own.read(*self._parts(), ids, self.used, out, last)
        self.used, self.ready = self.used + len(ids), True
        found = out[:last, : self.model.config.vocab_size].copy()
        logits[0] = out[last - 1]
        return torch.from_numpy(found)

    def rewind(self, n: int) -> None:
        """Forgets all tokens but the first n.

        Raises:
            ValueError: when fewer were read.
        """
        if not 0 <= n <= self.used:
            raise ValueError(f"{self.used} tokens were read, and going back is to fewer; got {n}.")
        self.used, self.ready = n, self.ready and n == self.used

    def continued(
        self, n: int, sharpness: float = 0.0, points: Float[Tensor, " more"] | None = None
    ) -> Int[Tensor, " n"]:
        """Returns n next tokens, each given those before it; the last one is not read yet.

        Args:
            n: number of tokens.
            sharpness: 1 / temperature; 0 takes the likeliest.
            points: from 0 to 1, at which the tokens are drawn; n or more.

        Raises:
            ValueError: when the sequence would outgrow `length`, nothing was read, or logits are no numbers.
        """
        if not self.ready:
            raise ValueError("there is nothing to continue: read a prompt first.")
        self._grow(n - 1)
        new = np.empty(n, np.int64)
        points = torch.zeros(0) if points is None else points
        if not loops().continued(*self._parts(), self.used, new, np.float32(sharpness), points.numpy()):
            raise ValueError(NOTHING_LEFT)
        self.used += n - 1
        return torch.from_numpy(new)

    def _parts(self) -> tuple[Any, Any, Any]:
        return self.model.weights, self.model.shape, self.state

    def _grow(self, n: int) -> None:
        if self.used + n > self.length:
            raise ValueError(
                f"the sequence holds {self.length} tokens; {self.used + n} came. "
                "Make it with a greater length."
            )


def _widths(c: GPTConfig, span: int) -> dict[str, int]:
    """How many numbers each step's intermediate results have; heads and queries may reach beyond theirs."""
    return {
        "normed": c.d_model,
        "qkv": (c.n_heads + 2 * c.kv_heads) * c.d_head + span,
        "mixed": c.d_model + span,
        "wide": c.ff_width * (2 if c.activation == "swiglu" else 1),
        "added": c.d_model,
        "logits": c.vocab_size,
    }


def likeliest(model: FastModel, prompt: Int[Tensor, " T"], n: int) -> Iterator[Int[Tensor, " chunk"]]:
    """Yields the n tokens of greedy `stream`, up to `CHUNK` at a time, between which Python does nothing.

    Args:
        model: the snapshot.
        prompt: at least one id.
        n: number of new tokens.
    """
    return continuation(model, prompt, n)


def continuation(
    model: FastModel,
    prompt: Int[Tensor, " T"],
    n: int,
    sharpness: float = 0.0,
    take: Callable[[int], Tensor] | None = None,
) -> Iterator[Int[Tensor, " chunk"]]:
    """Yields n tokens, up to `CHUNK` at a time; `take` gives so many points to draw them at."""
    length = min(model.config.context, len(prompt) + n)
    sequence, ids, read, points = Sequence(model, length), prompt, 0, torch.zeros(0)
    while n > 0:
        if len(ids) - read > length - sequence.used:  # full: the older half is forgotten
            sequence, read = Sequence(model, length), len(ids) - (length + 1) // 2
        sequence.read(ids[read:])
        size = min(CHUNK, n, length - sequence.used + 1)
        while take is not None and len(points) < size:
            points = torch.cat([points, take(size - len(points))])
        new, points = sequence.continued(size, sharpness, points), points[size:]
        yield new
        ids, read, n = torch.cat([ids, new]), len(ids) + len(new) - 1, n - len(new)
