"""The model map view: every part of a model with its shape and what it costs."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from tinygpt.models import GPT, Encoder, EncoderDecoder, GPTConfig, uncompiled
from tinygpt.views._host import View
from tinygpt.views._parts import Part, Plan, plan

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FAMILIES = {GPT: "gpt", Encoder: "encoder", EncoderDecoder: "encoder-decoder"}
_NAMES = {"gpt": "GPT", "encoder": "Encoder", "encoder-decoder": "Encoder-decoder"}
METRICS = ("parameters", "flops", "memory")
KINDS = {
    "embedding": "embedding",
    "positions": "positions",
    "attention": "attention",
    "cross": "cross-attention",
    "feed_forward": "feed-forward",
    "norms": "norms",
    "head": "head",
}


def model_map(
    model: GPT | Encoder | EncoderDecoder | GPTConfig,
    family: str | None = None,
    *,
    metric: str = "parameters",
    bytes_per_weight: int = 4,
) -> ModelMap:
    """Shows a model as a map: what it is made of, the shapes of everything, and what each part costs.

    A matrix of m × n has m·n weights and takes 2·m·n FLOPs for every token; scores and mix take 2·T·S·K for
    every head. Memory is that of the weights and of the KV cache of one sequence of `context` tokens.

    Args:
        model: A model or the config of one.
        family: "gpt", "encoder" or "encoder-decoder" for a config; None is "gpt", or the model's own.
        metric: What to open on: "parameters", "flops" or "memory".
        bytes_per_weight: 4 for float32, 2 for bfloat16.

    Returns:
        A view that shows itself as the last line of a cell; `selected` is the path of the locked part.

    Raises:
        ValueError: Where the family is unknown or not the model's, or a model is not what its config says.

    Example:
        >>> from tinygpt.models import gpt2_shape
        >>> model_map(gpt2_shape())
        Model map: GPT of 12 blocks, 124,439,808 parameters

    Source: The counts are those of `models.cost`; Kaplan et al. 2020, table 1.
    """
    config, own = model, None
    if not isinstance(model, GPTConfig):
        model = uncompiled(model)
        config, own = model.config, _FAMILIES.get(type(model))
    family = family or own or "gpt"
    if family not in _NAMES or (own is not None and own != family):
        wanted = repr(own) if own else f"one of {tuple(_NAMES)}"
        raise ValueError(f"family must be {wanted}; got {family!r}.")
    if metric not in METRICS:
        raise ValueError(f"metric must be one of {METRICS}; got {metric!r}.")
    view = ModelMap(config, family, metric, bytes_per_weight)
    if own is not None and view.totals["parameters"] != model.n_parameters:
        raise ValueError(
            f"the model has {model.n_parameters:,} parameters and its config {view.totals['parameters']:,}: "
            "it was changed after it was built. Pass model.config to see what it was."
        )
    return view


class ModelMap(View):
    """The view that `model_map` returns."""

    _module = "model_map"
    _colours = 48

    def __init__(self, config: GPTConfig, family: str, metric: str, bytes_per_weight: int) -> None:
        super().__init__()
        self._config, self._family, self._metric, self._bytes = config, family, metric, bytes_per_weight
        self._selected = [""]

    @property
    def selected(self) -> str:
        """The path of the locked part, as modules and taps are named: "blocks.0.attn.q"; "" for none."""
        return str(self._selected[0])

    @cached_property
    def _plan(self) -> Plan:
        return plan(self._config, self._family)

    @property
    def totals(self) -> dict[str, int]:
        """Parameters, FLOPs of a forward pass over `context` tokens, bytes of memory: of the whole model."""
        kinds = self._by_kind().values()
        return {metric: sum(kind[i] for kind in kinds) for i, metric in enumerate(METRICS)}

    def _numbers(self, part: Part) -> list[int]:
        """What a part costs by each of the metrics."""
        parameters, flops, cached = (part.total(field) for field in ("parameters", "flops", "cached"))
        return [parameters, flops, self._bytes * (parameters + cached)]

    def _by_kind(self) -> dict[str, list[int]]:
        leaves = list(self._plan.leaves())
        sums = {kind: [0, 0, 0] for kind in KINDS if any(part.kind == kind for part, _ in leaves)}
        for part, times in leaves:
            both = zip(sums[part.kind], self._numbers(part), strict=True)
            sums[part.kind] = [so_far + times * more for so_far, more in both]
        return sums

    def _box(self, part: Part) -> dict[str, Any]:
        words = {
            key: getattr(part, key) for key in ("name", "path", "kind", "weights", "reads", "gives", "note")
        }
        rest = {"numbers": self._numbers(part), "cached": part.total("cached")}
        return words | rest | {"children": [self._box(child) for child in part.children]}

    def _header(self) -> dict[str, Any]:
        c = self._config
        letters = {"B": None, "T": c.context, "S": c.context, "D": c.d_model, "H": c.n_heads, "G": c.kv_heads}
        return {
            "title": _NAMES[self._family],
            "letters": letters | {"K": c.d_head, "F": c.ff_width, "V": c.vocab_size},
            "before": [self._box(part) for part in self._plan.before],
            "stacks": [
                {
                    "name": stack.name,
                    "path": stack.path,
                    "count": stack.count,
                    "block": self._box(stack.block),
                }
                | {"norm": self._box(stack.norm)}
                for stack in self._plan.stacks
            ],
            "after": [self._box(part) for part in self._plan.after],
            "kinds": self._by_kind(),
            "titles": KINDS,
            "metric": self._metric,
            "bytes": self._bytes,
            "selected": self._selected,
        }

    def _data(self) -> bytes:
        return b""

    def _text(self) -> str:
        totals, kinds, blocks = self.totals, self._by_kind(), self._config.n_layers
        many = f"{blocks} block{'s' * (blocks > 1)}" + (" a side" if len(self._plan.stacks) > 1 else "")
        lines = [f"Model map: {_NAMES[self._family]} of {many}, {totals['parameters']:,} parameters"]
        units = ("parameters", f"FLOPs for {self._config.context} tokens", "bytes of weights and KV cache")
        for i, (metric, unit) in enumerate(zip(METRICS, units, strict=True)):
            shares = [
                (kind.replace("_", "-"), numbers[i] / totals[metric]) for kind, numbers in kinds.items()
            ]
            listed = ", ".join(f"{kind} {share:.1%}" for kind, share in shares if share)
            lines.append(f"{totals[metric]:,} {unit}: {listed}")
        for stack in self._plan.stacks:
            parts = [f"{leaf.path} {leaf.parameters:,}" for leaf in stack.block.leaves() if leaf.weights]
            lines.append(f"{stack.name} block: {', '.join(parts)}".strip())
        return "\n".join(lines)

    def _figure(self) -> Figure:
        from tinygpt.views._map_figure import figure

        leaves = [
            (f"{stack.name} {part.name} {leaf.name}".strip(), leaf.kind, leaf.parameters)
            for stack in self._plan.stacks
            for part in stack.block.children
            for leaf in (part.children or (Part("", "", part.kind, parameters=part.parameters),))
            if leaf.parameters
        ]
        metrics = ("parameters", "FLOPs", "memory")
        return figure(self._by_kind(), metrics, KINDS, self._text().splitlines()[0], leaves)
