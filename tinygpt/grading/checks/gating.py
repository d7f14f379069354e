"""Exercise 1 of chapter 04: the gated feed-forward layer."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from tinygpt.grading.checks.draws import normal, scattered, whole
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law
from tinygpt.models import GatedMLP, GPTConfig

DOUBLE = torch.float64


def gated_oracle(x: Tensor, gate: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """The package's layer, with these weights in it."""
    config = GPTConfig(
        vocab_size=1, n_heads=1, d_model=len(down), d_ff=len(up), activation="swiglu", position="none"
    )
    layer = GatedMLP(config).to(x.dtype)
    layer.load_state_dict({"gate.weight": gate, "up.weight": up, "down.weight": down})
    with torch.no_grad():
        return layer(x)


def gated_attempt(
    x: Tensor,
    gate: Tensor,
    up: Tensor,
    down: Tensor,
    *,
    curve: str = "silu",
    bent: str = "gate",
    combine: str = "product",
    turned: str = "none",
    down_turned: bool = False,
    adds_x: bool = False,
    narrow: bool = True,
) -> Tensor:
    """The gated layer with a knob for each known way to go wrong."""
    gates = x @ (gate if turned in ("gate", "both") else gate.mT)
    values = x @ (up if turned in ("up", "both") else up.mT)
    bend = CURVES[curve]
    if bent in ("gate", "both"):
        gates = bend(gates)
    if bent in ("up", "both"):
        values = bend(values)
    hidden = {
        "product": lambda: gates * values,
        "sum": lambda: gates + values,
        "gate only": lambda: gates,
        "up only": lambda: bend(values),
    }[combine]()
    if not narrow:
        return hidden
    answer = (bend(hidden) if bent == "product" else hidden) @ (down if down_turned else down.mT)
    return x + answer if adds_x else bend(answer) if bent == "answer" else answer


CURVES: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": F.silu,
    "silu, naive": lambda a: a * a.exp() / (1 + a.exp()),
    "sigmoid": torch.sigmoid,
    "gelu": F.gelu,
    "gelu_tanh": lambda a: F.gelu(a, approximate="tanh"),
    "gelu_sigmoid": lambda a: a * torch.sigmoid(1.702 * a),
    "relu": F.relu,
    "tanh": torch.tanh,
    "softplus": F.softplus,
    "softmax": lambda a: a.softmax(-1),
    "upside down": lambda a: a * torch.sigmoid(-a),
    "none": lambda a: a,
}


def is_not_linear_in_up(call: Call, args: tuple, got: Tensor) -> bool:
    x, gate, up, down = args
    return not torch.allclose(call(x, gate, 2 * up, down), 2 * got, rtol=1e-4, atol=1e-4, equal_nan=True)


def positions_mix(call: Call, args: tuple, got: Tensor) -> bool:
    """The first position of the first sequence alone gives the same as in company."""
    x, *weights = args
    return not torch.allclose(call(x[:1, :1], *weights), got[:1, :1], atol=1e-4, equal_nan=True)


GELU = "This is GELU, a curve that runs close to SiLU. SiLU is `a * torch.sigmoid(a)`, or `F.silu`."
TURNED = "is used the wrong way round. Weights are out × in, as `nn.Linear` stores them: `x @ w.mT`."


def _layer(
    generator: Generator, B: int, T: int, D: int, F: int, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, ...]:
    shapes = ((B, T, D), (F, D), (F, D), (D, F))
    x, gate, up, down = (normal(generator, *shape, dtype=dtype) for shape in shapes)
    return x, 1.5 * gate / D**0.5, up / D**0.5, down / F**0.5


def _whole_layer(generator: Generator) -> tuple[Tensor, ...]:
    return tuple(whole(generator, *shape) for shape in ((1, 2, 3), (4, 3), (4, 3), (3, 4)))


def _scattered_layer(generator: Generator) -> tuple[Tensor, ...]:
    shapes = ((2, 4, 6), (9, 6), (9, 6), (6, 9))
    return tuple(scattered(generator, *shape, dtype=DOUBLE) / 2 for shape in shapes)


def _loud_layer(generator: Generator) -> tuple[Tensor, ...]:
    """One feature is pushed far to the right and one far to the left; the others are as usual."""
    x, gate, up, down = _layer(generator, 2, 3, 4, 6, DOUBLE)
    x[..., 0] = 2.0
    gate[:2, 0] = torch.tensor([1000.0, -1000.0], dtype=DOUBLE)
    return x, gate, up, down


gated_mlp = Exercise(
    name="gated_mlp",
    arguments=("x", "gate", "up", "down"),
    returns="B T D",
    reference=gated_oracle,
    attempt=gated_attempt,
    faults=(
        Fault(
            "silu on the wrong branch",
            "SiLU bends `x @ up.mT`, and the gate stays straight. It belongs on the gate: "
            "`silu(x @ gate.mT) * (x @ up.mT)`.",
            {"bent": "up"},
        ),
        Fault(
            "silu on both branches",
            "Both branches are bent. SiLU belongs on the gate alone.",
            {"bent": "both"},
        ),
        Fault(
            "silu after the product",
            "SiLU bends the product of both branches. Bend the gate first, then multiply.",
            {"bent": "product"},
        ),
        Fault("silu at the end", "SiLU bends the answer. Bend the gate, in the middle.", {"bent": "answer"}),
        Fault("no activation", "Nothing bends: the gate needs its SiLU.", {"curve": "none"}),
        Fault(
            "sigmoid in place of SiLU",
            "The gate passes through a sigmoid, as in the first gated layers. SiLU is the sigmoid *times* "
            "its input: `a * torch.sigmoid(a)`.",
            {"curve": "sigmoid"},
        ),
        Fault("GELU in place of SiLU", GELU, {"curve": "gelu"}),
        Fault("GELU in place of SiLU", GELU, {"curve": "gelu_tanh"}),
        Fault("GELU in place of SiLU", GELU, {"curve": "gelu_sigmoid"}),
        Fault(
            "ReLU in place of SiLU",
            "The gate passes through ReLU. SiLU is `a * torch.sigmoid(a)`.",
            {"curve": "relu"},
        ),
        Fault(
            "tanh in place of SiLU",
            "The gate passes through tanh. SiLU is `a * torch.sigmoid(a)`.",
            {"curve": "tanh"},
        ),
        Fault(
            "softplus in place of SiLU",
            "The gate passes through softplus, log(1 + eᵃ). SiLU is `a * torch.sigmoid(a)`.",
            {"curve": "softplus"},
        ),
        Fault(
            "softmax in place of SiLU",
            "The gate passes through a softmax. Each feature has a gate of its own: `a * torch.sigmoid(a)`.",
            {"curve": "softmax"},
        ),
        Fault(
            "sign of the sigmoid",
            "The sigmoid has the wrong sign: it opens to the left. `a * torch.sigmoid(a)` is "
            "`a / (1 + torch.exp(-a))`.",
            {"curve": "upside down"},
        ),
        Fault(
            "overflow",
            "Right for small numbers, not a number for large ones: exp overflows. `F.silu`, "
            "`a * torch.sigmoid(a)` and `a / (1 + torch.exp(-a))` do not.",
            {"curve": "silu, naive"},
        ),
        Fault(
            "sum in place of product",
            "The branches are added. A gate *multiplies*: it lets through or holds back.",
            {"combine": "sum"},
        ),
        Fault(
            "up left out",
            "`up` has no effect: this is a plain feed-forward layer. Multiply by `x @ up.mT` before `down`.",
            {"combine": "gate only"},
        ),
        Fault(
            "gate left out",
            "`gate` has no effect: this is a plain feed-forward layer made of `up` and `down`.",
            {"combine": "up only"},
        ),
        Fault("weights transposed", f"Every matrix {TURNED}", {"turned": "both", "down_turned": True}),
        Fault("gate and up transposed", f"Each of `gate` and `up` {TURNED}", {"turned": "both"}),
        Fault("gate transposed", f"`gate` {TURNED}", {"turned": "gate"}),
        Fault("up transposed", f"`up` {TURNED}", {"turned": "up"}),
        Fault("down transposed", f"`down` {TURNED}", {"down_turned": True}),
        Fault(
            "down left out",
            "The answer has F columns: multiply by `down` at the end, which brings it back to D.",
            {"narrow": False},
        ),
        Fault(
            "stream added",
            "`x` is added to the answer. That sum is the block's work; here only what the layer writes is "
            "wanted.",
            {"adds_x": True},
        ),
    ),
    laws=(
        Law(
            "positions mix",
            "The positions mix: one token alone gives another answer than in company. This layer works on "
            "each token by itself.",
            positions_mix,
        ),
        Law(
            "up does not act in proportion",
            "With twice the `up` the answer should be twice as large: `up` enters through one product, and "
            "nothing bends it.",
            is_not_linear_in_up,
        ),
    ),
    cases=(
        Case("two tokens, whole numbers", _whole_layer),
        Case("a batch, with F larger than D", lambda g: _layer(g, 3, 5, 4, 10)),
        Case("F = D, where every matrix fits both ways round", lambda g: _layer(g, 2, 6, 6, 6)),
        Case("double precision, not in order in memory", _scattered_layer),
        Case(
            "a gate far open and a gate far shut", _loud_layer, advice="exp(1000) is too large for a number."
        ),
    ),
    shortcuts=("tinygpt.models", "transformers"),
)
