"""The parts of a model with their shapes and costs: what `models.cost` sums up, one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tinygpt.models import GPTConfig


@dataclass(frozen=True)
class Part:
    """A box of the map: a matrix, an operation, or other parts.

    Attributes:
        name: what it is called there.
        path: the module or tap, within what holds the part.
        kind: "embedding", "positions", "attention", "cross", "feed_forward", "norms" or "head".
        weights: its shape in letters, such as "D × H·K"; empty where it has no weights of its own.
        reads, gives: shapes of what goes in and comes out.
        parameters: weights and biases.
        flops: of one forward pass over `context` tokens; a multiply-add is 2.
        cached: numbers that a KV cache keeps of it for `context` tokens.
        note: what else there is to say.
        children: the parts that it is made of; then all numbers are 0.
    """

    name: str
    path: str
    kind: str
    weights: str = ""
    reads: str = "B T D"
    gives: str = "B T D"
    parameters: int = 0
    flops: int = 0
    cached: int = 0
    note: str = ""
    children: tuple[Part, ...] = ()

    def leaves(self) -> Iterator[Part]:
        """The parts without parts."""
        if not self.children:
            yield self
        for child in self.children:
            yield from child.leaves()

    def total(self, field: str) -> int:
        """The sum of a number over all leaves."""
        return sum(getattr(leaf, field) for leaf in self.leaves())


@dataclass(frozen=True)
class Stack:
    """Blocks alike, one after the other, and a norm."""

    name: str
    path: str
    count: int
    block: Part
    norm: Part


@dataclass(frozen=True)
class Plan:
    """A whole model: what comes before the stacks, the stacks, what comes after."""

    before: list[Part]
    stacks: list[Stack]
    after: list[Part]

    def leaves(self) -> Iterator[tuple[Part, int]]:
        """Every leaf and how often it is there."""
        for part in (*self.before, *self.after, *(stack.norm for stack in self.stacks)):
            yield part, 1
        for stack in self.stacks:
            for leaf in stack.block.leaves():
                yield leaf, stack.count


def plan(config: GPTConfig, family: str) -> Plan:
    """Takes a model of this shape apart.

    Args:
        config: the shape.
        family: as for `models.cost`.
    """
    c, V, T, D = config, config.vocab_size, config.context, config.d_model
    shared = "the same table as the head" if c.tied else ""
    before = [_leaf("embedding", "embed", "embedding", "V × D", "B T", parameters=V * D, note=shared)]
    if c.position == "learned":
        before.append(_leaf("positions", "position", "positions", "T × D", "T", "T D", parameters=T * D))
    tied = "the embedding's table, counted there" if c.tied else ""
    own = 0 if c.tied else V * D
    head = _leaf(
        "head", "head", "head", "D × V", gives="B T V", parameters=own, flops=2 * T * D * V, note=tied
    )
    if family == "encoder-decoder":
        halves = (("encoder", False, False), ("decoder", True, True))
        stacks = [_stack(c, name, f"{name}.", caches, cross) for name, caches, cross in halves]
    else:
        stacks = [_stack(c, "", "", family == "gpt", False)]
    return Plan(before, stacks, [head])


def _leaf(
    name: str,
    path: str,
    kind: str,
    weights: str,
    reads: str = "B T D",
    gives: str = "B T D",
    **numbers: object,
) -> Part:
    return Part(name, path, kind, weights, reads, gives, **numbers)


def _stack(c: GPTConfig, name: str, path: str, caches: bool, cross: bool) -> Stack:
    sublayers = [("attn_norm", _attention(c, "attention", caches))]
    if cross:
        sublayers.append(("cross_norm", _attention(c, "cross", caches)))
    if c.ff_width:
        sublayers.append(("mlp_norm", _feed_forward(c)))
    parts: list[Part] = []
    for norm, sublayer in sublayers:
        pair = [_norm(c, norm), sublayer]
        parts += pair if c.norm_first else pair[::-1]
    block = Part("block", "blocks", "block", children=tuple(parts))
    return Stack(name, path, c.n_layers, block, _norm(c, "norm"))


def _norm(c: GPTConfig, path: str) -> Part:
    both = c.norm == "layernorm" and c.bias
    note = "a gain and a bias for each of D" if both else "a gain for each of D"
    where = "" if c.norm_first or path == "norm" else "; after the sum"
    name = "norm" if path != "norm" else "last norm"
    return _leaf(
        name, path, "norms", "2 × D" if both else "D", parameters=(1 + both) * c.d_model, note=note + where
    )


def _attention(c: GPTConfig, kind: str, caches: bool) -> Part:
    D, T, HK, GK = c.d_model, c.context, c.n_heads * c.d_head, c.kv_heads * c.d_head
    source = "B S D" if kind == "cross" else "B T D"
    heads = "" if kind == "cross" or c.position != "rope" else "turned by RoPE"
    keep = T * GK if caches else 0
    products = 2 * T * T * HK
    parts = (
        _matrix(c, "q", "q", kind, ("D", "H·K"), (D, HK), gives="B H T K", note=heads),
        _matrix(c, "k", "k", kind, ("D", "G·K"), (D, GK), source, "B G S K", cached=keep, note=heads),
        _matrix(c, "v", "v", kind, ("D", "G·K"), (D, GK), source, "B G S K", cached=keep),
        _leaf(
            "scores",
            "pattern",
            kind,
            "",
            "B H T K and B G S K",
            "B H T S",
            flops=products,
            note="q·k ÷ √K, softmax",
        ),
        _leaf(
            "mix",
            "heads",
            kind,
            "",
            "B H T S and B G S K",
            "B H T K",
            flops=products,
            note="the pattern times v",
        ),
        _matrix(c, "out", "out", kind, ("H·K", "D"), (HK, D), "B H T K"),
    )
    cross = kind == "cross"
    return Part(
        "cross-attention" if cross else "attention", "cross" if cross else "attn", kind, children=parts
    )


def _feed_forward(c: GPTConfig) -> Part:
    D, F, kind = c.d_model, c.ff_width, "feed_forward"
    wide = [_matrix(c, "up", "up", kind, ("D", "F"), (D, F), gives="B T F")]
    if c.activation == "swiglu":
        wide.append(_matrix(c, "gate", "gate", kind, ("D", "F"), (D, F), gives="B T F", note="multiplies up"))
    down = _matrix(c, "down", "down", kind, ("F", "D"), (F, D), "B T F", note=f"after {c.activation}")
    return Part("feed-forward", "mlp", kind, children=(*wide, down))


def _matrix(
    c: GPTConfig,
    name: str,
    path: str,
    kind: str,
    letters: tuple[str, str],
    sizes: tuple[int, int],
    reads: str = "B T D",
    gives: str = "B T D",
    **more: object,
) -> Part:
    """A linear layer: every token costs a multiply-add per weight."""
    inputs, outputs = sizes
    weights = " × ".join(letters) + (f" + {letters[1]}" if c.bias else "")
    return _leaf(
        name,
        path,
        kind,
        weights,
        reads,
        gives,
        parameters=inputs * outputs + (outputs if c.bias else 0),
        flops=2 * c.context * inputs * outputs,
        **more,
    )
