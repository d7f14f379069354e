"""Exercise 3 of chapter 10: the learning rate of each weight when a model is made wider."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Generator

from tinygpt.grading.checks.draws import dice
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law
from tinygpt.models import GPT, GPTConfig

Weights = Sequence[tuple[str, tuple[int, ...]]]
TABLES = ("embed.weight", "position.weight")


def rates_oracle(weights: Weights, base_weights: Weights, lr: float) -> list[float]:
    """By how many inputs are added up; looking up a row and scaling a number take one."""

    def inputs(name: str, shape: tuple[int, ...]) -> int:
        return 1 if name in TABLES or len(shape) == 1 else shape[1]

    return [lr * inputs(*base) / inputs(*wide) for wide, base in zip(weights, base_weights, strict=True)]


def rates_attempt(
    weights: Weights,
    base_weights: Weights,
    lr: float,
    *,
    axis: int = 1,
    ratio: str = "right",
    tables: str = "keep",
    vectors: str = "keep",
    head: str = "scaled",
    order: str = "as given",
) -> list[float]:
    """A rate for each weight, with a knob for each known way to go wrong."""
    wide, base = dict(weights), dict(base_weights)
    width, base_width = wide["embed.weight"][1], base["embed.weight"][1]
    rates = {}
    for name, shape in wide.items():
        new, old = shape[axis % len(shape)], base[name][axis % len(shape)]
        share = base_width / width if ratio == "width" else old / new
        scaled = RATIOS[ratio](share, new, base_width) if ratio in RATIOS else share
        rates[name] = lr if _keeps(name, len(shape), tables, vectors, head) else lr * scaled
    return [rates[name] for name in (sorted(rates) if order == "sorted" else rates)]


def _keeps(name: str, axes: int, tables: str, vectors: str, head: str) -> bool:
    """Whether a weight keeps the rate, under these knobs."""
    if head == "alone" or name == "head.weight":
        return (name == "head.weight") == (head == "keep")
    if axes == 1:
        return vectors == "keep" or (vectors == "biases" and not name.endswith("bias"))
    return name in TABLES and (tables == "keep" or (tables == "positions" and name == "embed.weight"))


RATIOS: dict[str, Callable[[float, int, int], float]] = {
    "turned": lambda r, new, old: 1 / r,
    "root": lambda r, new, old: r**0.5,
    "squared": lambda r, new, old: r**2,
    "none": lambda r, new, old: 1.0,
    "absolute": lambda r, new, old: 1 / new,
    "model width": lambda r, new, old: old / new,
}


def base_changes(call: Call, args: tuple, got: list[float]) -> bool:
    _, base, lr = args
    return any(abs(rate - lr) > 1e-6 for rate in call(base, base, lr))


def vectors_change(call: Call, args: tuple, got: list[float]) -> bool:
    weights, _, lr = args
    return any(
        len(shape) == 1 and abs(rate - lr) > 1e-6 for (_, shape), rate in zip(weights, got, strict=True)
    )


def tables_change(call: Call, args: tuple, got: list[float]) -> bool:
    weights, _, lr = args
    return any(name in TABLES and abs(rate - lr) > 1e-6 for (name, _), rate in zip(weights, got, strict=True))


def of_model(config: GPTConfig) -> list[tuple[str, tuple[int, ...]]]:
    """Name and shape of every weight of such a model, in the order of `named_parameters`."""
    return [(name, tuple(weight.shape)) for name, weight in GPT(config, seed=0).named_parameters()]


def _models(
    *, wider: float | None = None, inside: str = "in proportion", **changes: object
) -> Callable[[Generator], tuple]:
    """The same model at two widths, with heads of equal width."""

    def draw(generator: Generator) -> tuple:
        rng = dice(generator)
        base_width = 4 * rng.choice([2, 4, 6])
        width = int(base_width * (wider or rng.choice([2, 3, 4])))
        V, context, common = rng.randint(20, 60), 8 * rng.randint(1, 4), {"tied": False, **changes}
        widest = {"in proportion": (4 * base_width, 4 * width), "fixed": (48, 48)}
        pair = widest.get(inside) or (rng.randint(3, 20) * 4, rng.randint(21, 40) * 4)
        kv_heads = 1 if inside == "shared keys" else None
        wide, base = (
            GPTConfig(
                V,
                context=context,
                d_model=d,
                n_heads=d // 4,
                d_ff=F,
                **{"n_layers": 1, "n_kv_heads": kv_heads, **common},
            )
            for d, F in ((width, pair[1]), (base_width, pair[0]))
        )
        return of_model(wide), of_model(base), rng.choice([0.01, 0.02, 0.003, 0.1])

    return draw


rates_by_width = Exercise(
    name="rates_by_width",
    arguments=("weights", "base_weights", "lr"),
    returns="a list of rates, one for each weight",
    reference=rates_oracle,
    attempt=rates_attempt,
    tolerance=1e-6,
    faults=(
        Fault(
            "one rate for all",
            "Every weight gets `lr`. That is the standard parametrization: a wider matrix adds up more "
            "inputs, so it has to take smaller steps.",
            {"ratio": "none"},
        ),
        Fault(
            "ratio turned over",
            "Your rates grow with the width. A matrix that adds up twice as many inputs needs *half* the "
            "rate.",
            {"ratio": "turned"},
        ),
        Fault(
            "outputs in place of inputs",
            "You compare the rows of a matrix, which are its outputs. A weight of shape (out, in) adds up "
            "`in` inputs: compare `shape[1]`.",
            {"axis": 0},
        ),
        Fault(
            "width of the model for all",
            "You scale all matrices by the width of the model. `mlp.down` adds up F inputs, not D, and F "
            "need not grow like D: compare each matrix with its own base.",
            {"ratio": "width"},
        ),
        Fault(
            "base width over inputs",
            "You divide the width of the base *model* by the inputs of each matrix, so `mlp.down` has a "
            "smaller rate even in the base model. Compare each matrix with the same one in the base.",
            {"ratio": "model width"},
        ),
        Fault(
            "one over the inputs",
            "You divide `lr` by the number of inputs. It was tuned on the base model, where it has to stay "
            "as it is: multiply by the inputs of the same matrix there.",
            {"ratio": "absolute"},
        ),
        Fault(
            "square root",
            "You take the root of the ratio. That is how wide the *first* weights are drawn; AdamW's steps "
            "agree, so their sum grows in proportion to the inputs.",
            {"ratio": "root"},
        ),
        Fault(
            "squared",
            "You take the square of the ratio. In proportion to 1 / inputs is enough.",
            {"ratio": "squared"},
        ),
        Fault(
            "tables scaled",
            "You scale the tables of tokens and positions. A table looks one row up and adds nothing: it "
            "keeps `lr`.",
            {"tables": "scaled"},
        ),
        Fault(
            "positions scaled",
            "`position.weight` is a table as well: one row is looked up, and nothing is added. It keeps "
            "`lr`.",
            {"tables": "positions"},
        ),
        Fault(
            "vectors scaled",
            "You scale gains and biases. Each of their numbers has one input, at any width: they keep `lr`.",
            {"vectors": "scaled"},
        ),
        Fault(
            "biases scaled",
            "You scale biases like the matrix they belong to. A bias adds up nothing: it keeps `lr`.",
            {"vectors": "biases"},
        ),
        Fault(
            "head left out",
            "The head keeps `lr`. It has the shape of a table, and adds up D inputs all the same: scale it.",
            {"head": "keep"},
        ),
        Fault(
            "head only",
            "Only the head is scaled. The matrices of the blocks add up inputs as well.",
            {"head": "alone"},
        ),
        Fault("sorted by name", "Right rates in another order. Keep that of `weights`.", {"order": "sorted"}),
    ),
    laws=(
        Law(
            "the base model changes",
            "When both models are the same, every rate should be `lr`: that is where it was tuned.",
            base_changes,
        ),
        Law("a vector changes", "Gains and biases keep `lr`, whatever their length.", vectors_change),
        Law("a table changes", "Tables of tokens and positions keep `lr`.", tables_change),
    ),
    cases=(
        Case("the base model itself", _models(wider=1)),
        Case("a wider model", _models()),
        Case("a narrower model", _models(wider=0.5)),
        Case(
            "positions learned, biases everywhere", _models(position="learned", norm="layernorm", bias=True)
        ),
        Case("an inner width that does not grow", _models(inside="fixed", activation="swiglu")),
        Case("an inner width that grows as it likes", _models(inside="free", n_layers=2)),
        Case("heads that share their keys", _models(inside="shared keys")),
    ),
)
