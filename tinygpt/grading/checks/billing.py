"""Exercise 3 of chapter 09: the FLOPs of one training step, from the matrices of a model."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Generator, Tensor

from tinygpt.grading.checks.draws import dice
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law
from tinygpt.models import GPTConfig, cost


@lru_cache(maxsize=1024)
def flops_oracle(config: GPTConfig, rows: int) -> int:
    """What PyTorch's own counter counts while the products of a step are made, on tensors without numbers."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        x = _empty(rows, config.context, config.d_model)
        for _ in range(config.n_layers):
            x = x + _attention(config, x)
            x = x + _feed_forward(config, x)
        (x @ _empty(config.d_model, config.vocab_size)).sum().backward()
    return counter.get_total_flops()


def _empty(*shape: int) -> Tensor:
    return torch.empty(*shape, device="meta", requires_grad=True)


def _attention(c: GPTConfig, x: Tensor) -> Tensor:
    shared = (c.kv_heads, c.n_heads // c.kv_heads)
    q = (x @ _empty(c.d_model, c.d_model)).unflatten(-1, (*shared, c.d_head))
    keys, values = (
        (x @ _empty(c.d_model, c.kv_heads * c.d_head)).unflatten(-1, (c.kv_heads, 1, c.d_head)).expand_as(q)
        for _ in range(2)
    )
    q, keys, values = (part.movedim(1, -2) for part in (q, keys, values))
    mixed = (q @ keys.mT).softmax(-1) @ values
    return mixed.movedim(-2, 1).flatten(2) @ _empty(c.d_model, c.d_model)


def _feed_forward(c: GPTConfig, x: Tensor) -> Tensor:
    if not c.ff_width:
        return x
    inside = x @ _empty(c.d_model, c.ff_width)
    if c.activation == "swiglu":
        inside = inside * (x @ _empty(c.d_model, c.ff_width))
    return inside @ _empty(c.ff_width, c.d_model)


def flops_attempt(
    config: GPTConfig,
    rows: int,
    *,
    passes: int = 3,
    each: int = 2,
    products: str = "both",
    keys: str = "their own",
    out: bool = True,
    third: bool = True,
    width: str = "its own",
    layers: bool = True,
    head: str = "always",
    tokens: str = "all",
    rule: str = "",
) -> int:
    """The count with a knob for each known way to go wrong."""
    D, F, T, V = config.d_model, config.ff_width, config.context, config.vocab_size
    F = {"or four": F or 4 * D, "four": 4 * D}.get(width, F)
    kv = D if keys == "one for each head" else config.kv_heads * config.d_head
    attention = D * D * (1 + out) + 2 * D * kv
    feed_forward = D * F * (3 if third and config.activation == "swiglu" else 2)
    scores = {
        "both": 2 * T * D,
        "one": T * D,
        "none": 0,
        "causal": T * D,
        "one key": 2 * D,
        "each head": 2 * T * D * config.n_heads,
        "head width": 2 * T * config.d_head,
        "shared heads": 2 * T * config.d_head * config.kv_heads,
    }[products]
    per_token = (config.n_layers if layers else 1) * (attention + feed_forward + scores)
    if products == "causal":  # exactly the pairs that a causal mask leaves, T (T + 1) / 2 of T²
        per_token += config.n_layers * D if layers else D
    per_token += V * D * {"always": 1, "never": 0, "untied": int(not config.tied), "and lookup": 2}[head]
    if rule:
        parameters = cost(config).parameters
        per_token = sum(parameters.values()) - (parameters["embedding"] if rule == "body" else 0)
    count = {"all": rows * T, "one row": T, "one token": 1, "rows": rows}[tokens]
    return passes * each * per_token * count


def counts_the_table(call: Call, args: tuple, got: int) -> bool:
    """Words that are never looked up cost the head, and nothing else."""
    config, rows = args
    longer = _changed(config, vocab_size=config.vocab_size + 1)
    return call(longer, rows) - got != 6 * rows * config.context * config.d_model


def counts_biases(call: Call, args: tuple, got: int) -> bool:
    config, rows = args
    others = (_changed(config, bias=not config.bias), _changed(config, norm="layernorm"))
    return any(call(other, rows) != got for other in others)


def not_in_proportion(call: Call, args: tuple, got: int) -> bool:
    config, rows = args
    return call(config, 3 * rows) != 3 * got


def _changed(config: GPTConfig, **changes: Any) -> GPTConfig:
    return GPTConfig(**{**vars(config), **changes})


def _shape(**wanted: Any) -> Callable[[Generator], tuple]:
    def draw(generator: Generator) -> tuple:
        rng = dice(generator)
        heads = wanted.get("n_heads", 1)
        shape = {
            "vocab_size": rng.randint(20, 90),
            "n_layers": rng.randint(2, 4),
            "d_model": 2 * heads * rng.randint(2, 6),
            "context": rng.randint(5, 40),
            "bias": rng.random() < 0.5,
            "position": rng.choice(["learned", "rope", "none"]),
            "tied": False,
            "n_heads": 1,
        }
        return GPTConfig(**{**shape, **wanted}), rng.randint(2, 9)

    return draw


def _tall(generator: Generator) -> tuple:
    """A feed-forward layer of another width than the usual four times."""
    config, rows = _shape(n_heads=2)(generator)
    return _changed(config, d_ff=config.d_model + 3, n_heads=1), rows


step_flops = Exercise(
    name="step_flops",
    arguments=("config", "rows"),
    returns="a whole number",
    reference=flops_oracle,
    attempt=flops_attempt,
    tolerance=0.0,
    faults=(
        Fault(
            "forward pass only",
            "This is the forward pass. The backward pass costs twice as much again: three times in all.",
            {"passes": 1},
        ),
        Fault(
            "backward counted once",
            "The backward pass makes two products for each one forward, for the inputs and for the weights: "
            "three times the forward pass in all.",
            {"passes": 2},
        ),
        Fault(
            "one for a multiply-add",
            "A multiplication and an addition are two FLOPs: 2 · m · n for a matrix (m, n) and one token.",
            {"each": 1},
        ),
        Fault(
            "scores and mixing forgotten",
            "Only matrices of weights are counted. Each query also meets T keys, and mixes T values: two "
            "products of T · D multiply-adds for each token and layer.",
            {"products": "none"},
        ),
        Fault(
            "one of two products",
            "One of attention's two products is missing: queries times keys, *and* weights times values.",
            {"products": "one"},
        ),
        Fault(
            "half of the pairs",
            "You count the pairs that a causal mask leaves. All T × T are counted here, as stated.",
            {"products": "causal"},
        ),
        Fault(
            "one key for each query",
            "Each query meets T keys, and you count one.",
            {"products": "one key"},
        ),
        Fault(
            "attention for each head anew",
            "You count scores of width D for each head. A head is D / H wide: all together are D wide.",
            {"products": "each head"},
        ),
        Fault(
            "one head's attention",
            "You count the products of one head, d_head wide. All heads together are D wide.",
            {"products": "head width"},
        ),
        Fault(
            "scores of shared heads",
            "You count scores for `kv_heads` heads. Sharing keys makes their matrices narrower; each of the "
            "`n_heads` query heads still meets all T keys.",
            {"products": "shared heads"},
        ),
        Fault(
            "no feed-forward layer taken for an unnamed one",
            "`d_ff or 4 * d_model` is 4 · D where `d_ff` is 0, too: such a model has no feed-forward "
            "layer. Use `ff_width`.",
            {"width": "or four"},
        ),
        Fault(
            "four times the width", "The feed-forward layer is `ff_width` wide, not 4 · D.", {"width": "four"}
        ),
        Fault(
            "keys of grouped heads",
            "You give each head keys and values of its own. There are `kv_heads` of them, each `d_head` "
            "wide: their matrices are (D, kv_heads · d_head).",
            {"keys": "one for each head"},
        ),
        Fault(
            "attention's output matrix",
            "A matrix (D, D) is missing in each layer: the one that attention's result goes through.",
            {"out": False},
        ),
        Fault(
            "two of SwiGLU's three matrices",
            "With `swiglu` the feed-forward layer has three matrices of D · F.",
            {"third": False},
        ),
        Fault("one layer only", "There are `n_layers` layers.", {"layers": False}),
        Fault(
            "lookup counted",
            "The embedding is counted like a product. It is a lookup: a row is read, and nothing multiplied.",
            {"head": "and lookup"},
        ),
        Fault(
            "head forgotten",
            "The head is missing: (D, V) for every token, and in small models it is much of the cost.",
            {"head": "never"},
        ),
        Fault(
            "tied head forgotten",
            "A tied head has no weights of its own, but it is multiplied all the same.",
            {"head": "untied"},
        ),
        Fault(
            "6 N D",
            "Six times parameters times tokens is a rule of thumb for large models: it counts lookups, "
            "norms and biases, and no attention scores. Count the products.",
            {"rule": "all"},
        ),
        Fault(
            "6 N D without embeddings",
            "Six times parameters times tokens is a rule of thumb for large models, also when the "
            "embedding is left out: it has norms and biases, and no attention scores. Count the products.",
            {"rule": "body"},
        ),
        Fault("one row", "This is the cost of one row. A step has `rows` of them.", {"tokens": "one row"}),
        Fault(
            "one token",
            "This is the cost of one token. A step has rows · context of them.",
            {"tokens": "one token"},
        ),
        Fault("one token of each row", "You count one token a row. Each has `context`.", {"tokens": "rows"}),
    ),
    laws=(
        Law(
            "cost of a longer vocabulary",
            "One word more in the vocabulary should cost 6 · D FLOPs more for each token, in the head: count "
            "what yours adds.",
            counts_the_table,
        ),
        Law(
            "biases and norms count",
            "Your count changes with `bias` or `norm`. Only products of matrices are counted.",
            counts_biases,
        ),
        Law("not in proportion", "Three times the rows should cost three times as much.", not_in_proportion),
    ),
    cases=(
        Case("one head, a head of its own", _shape()),
        Case("several heads, a tied head", _shape(n_heads=4, tied=True)),
        Case("another feed-forward width", _tall),
        Case("SwiGLU", _shape(n_heads=2, activation="swiglu")),
        Case("keys and values shared by heads", _shape(n_heads=6, n_kv_heads=2)),
        Case("attention only", _shape(n_heads=2, d_ff=0)),
        Case(
            "the shape of GPT-2 small",
            lambda g: (GPTConfig(50_257, 12, 12, 768, 1024, position="learned", bias=True), 4),
        ),
    ),
    shortcuts=("tinygpt.models", "torch.utils.flop_counter"),
)
