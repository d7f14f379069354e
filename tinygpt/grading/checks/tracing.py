"""Exercise 5 of chapter 04: activation patching."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Generator, Tensor

from tinygpt.grading.exercise import Case, Exercise, Fault
from tinygpt.interp import capture, patch
from tinygpt.models import GPT, GPTConfig
from tinygpt.models.attention import geometry

V = 13
Key = tuple[int, ...]
shared = lru_cache(maxsize=256)  # half of a check's questions come again, and most mistakes share their runs


class Specimen(GPT):
    """A small model with random weights, large enough that its tokens take notice of each other.

    It is described by two plain values, so that a judge can rebuild it in another process.

    Args:
        seed: Chooses the weights.
        n_layers: Number of blocks.
    """

    def __init__(self, seed: int, n_layers: int) -> None:
        super().__init__(
            GPTConfig(vocab_size=V, n_layers=n_layers, n_heads=2, d_model=16, d_ff=32), seed=seed
        )
        self.plain = (seed, n_layers)
        with torch.no_grad():
            self.embed.weight.mul_(25)
            for block in self.blocks:
                for matrix in (block.attn.q, block.attn.out, block.mlp.down):
                    matrix.weight.mul_(2)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Specimen) and self.plain == other.plain

    def __hash__(self) -> int:
        return hash(self.config)


def effect_oracle(model: GPT, clean: Tensor, corrupt: Tensor, answer: int, rival: int) -> Tensor:
    """The package's patching, with a difference of logits as what is measured."""
    return _patched(model, _key(clean), _key(corrupt), answer, rival).clone()


@shared
def _patched(model: GPT, clean: Key, corrupt: Key, answer: int, rival: int) -> Tensor:
    prompts = (torch.tensor([prompt]) for prompt in (clean, corrupt))
    return patch(model, *prompts, lambda logits: logits[:, -1, answer] - logits[:, -1, rival])


def _key(tokens: Tensor) -> Key:
    return tuple(tokens.tolist())


def effect_attempt(
    model: GPT,
    clean: Tensor,
    corrupt: Tensor,
    answer: int,
    rival: int,
    *,
    put: str = "clean into corrupt",
    which: str = "one",
    point: str = "residual",
    measure: str = "difference",
    read: str = "last",
    scale: str = "span",
) -> Tensor:
    """Patching that goes on by hand from each layer, with knobs for mistakes."""
    prompts = (corrupt, clean) if put == "arguments swapped" else (clean, corrupt)
    ends = _ends(model, *map(_key, prompts), put, which, point)
    reads = (read, *["last" if read == "patched" else read] * 2)
    patched, right, wrong = (_score(*pair, answer, rival, measure) for pair in zip(ends, reads, strict=True))
    return _scaled(patched, right, wrong, scale)


@shared
@torch.no_grad()
def _ends(
    model: GPT, clean: Key, corrupt: Key, put: str, which: str, point: str
) -> tuple[Tensor, Tensor, Tensor]:
    """The logits with each layer and position patched, (L, T, T, V), and of the two runs, (1, T, V)."""
    (one, right), (other, wrong) = _run(model, clean), _run(model, corrupt)
    source, target = (other, one) if put == "corrupt into clean" else (one, other)
    T, patched = len(clean), []
    chosen = {"one": torch.eye(T), "so far": torch.ones(T, T).tril(), "all": torch.ones(T, T)}
    chosen |= {"from here": torch.ones(T, T).triu(), "next": torch.eye(T).roll(1, 1)}
    for layer in range(len(model.blocks)):
        chosen["edits pile up"] = chosen["all" if layer else "so far"]
        x = _patch_in(model, source, target, layer, point, chosen[which][..., None])
        patched.append(_onwards(model, x, layer))
    return torch.stack(patched), right, wrong


@shared
@torch.no_grad()
def _run(model: GPT, tokens: Key) -> tuple[dict[str, Tensor], Tensor]:
    with capture(model, "embedded", "blocks.*") as seen:
        logits = model(torch.tensor([tokens]))
    return seen, logits


def _patch_in(
    model: GPT, source: dict[str, Tensor], target: dict[str, Tensor], layer: int, point: str, chosen: Tensor
) -> Tensor:
    """The stream after a layer of the target run with what the source run had at a point, where chosen."""
    here = f"blocks.{layer}."
    stream = target[here + "residual"]
    if point == "nothing":
        return stream.expand(len(chosen), -1, -1)
    if point == "layer before":
        before = f"blocks.{layer - 1}.residual" if layer else "embedded"
        return stream + chosen * (source[before] - stream)
    change = chosen * (source[here + point] - target[here + point])
    if point in ("residual", "mlp_out"):
        return stream + change
    middle = target[here + "middle"] + change  # the feed-forward layer reads what is patched before it
    return middle + model.blocks[layer].mlp(model.blocks[layer].mlp_norm(middle))


def _onwards(model: GPT, x: Tensor, layer: int) -> Tensor:
    """The logits when the stream after a layer is x."""
    where = geometry(model.config, 0, x)
    for block in model.blocks[layer + 1 :]:
        x = block(x, where)
    return model.head(model.norm(x))


def _score(logits: Tensor, read: str, answer: int, rival: int, measure: str) -> Tensor:
    """One number for each patched run, from logits (..., T, V)."""
    if measure == "probability":
        logits = logits.softmax(-1)
    score = logits[..., answer] - logits[..., rival]
    if measure in ("answer", "rival"):
        score = logits[..., {"answer": answer, "rival": rival}[measure]]
    if measure == "answer's log":
        score = logits.log_softmax(-1)[..., answer]
    if read == "patched":
        return score.diagonal(dim1=-2, dim2=-1)
    return score.mean(-1) if read == "mean" else score[..., {"last": -1, "first": 0}[read]]


def _scaled(patched: Tensor, right: Tensor, wrong: Tensor, scale: str) -> Tensor:
    span = right - wrong
    effect = (patched - wrong) / span
    return {
        "span": effect,
        "none": patched,
        "no division": patched - wrong,
        "no subtraction": patched / span,
        "by clean": patched / right,
        "by clean, from corrupt": (patched - wrong) / right,
        "from clean": (right - patched) / span,
        "minus": -effect,
        "size": (patched - wrong) / span.abs(),
        "absolute": effect.abs(),
        "clamped": effect.clamp(0, 1),
    }[scale]


def _question(
    n_layers: int, T: int, changed: str = "all", backwards: bool = False
) -> Callable[[Generator], tuple]:
    """Two prompts, and the two tokens whose lead the change of prompt moves most.

    It moves the average lead of all positions as well, or who divides by that would see little but rounding.
    """

    def draw(generator: Generator) -> tuple:
        while True:
            model = Specimen(int(torch.randint(10**6, (), generator=generator)), n_layers)
            clean = torch.randint(V, (T,), generator=generator)
            corrupt = clean.clone()
            places = {
                "all": slice(None),
                "first": slice(1),
                "middle": slice(1, -1),
                "last": slice(T - 1, None),
            }
            chosen = places[changed]
            corrupt[chosen] = (
                clean[chosen] + 1 + torch.randint(V - 1, (T,), generator=generator)[chosen]
            ) % V
            shift = (_run(model, _key(clean))[1] - _run(model, _key(corrupt))[1])[0]
            pair = int(shift[-1].argmax()), int(shift[-1].argmin())
            if abs(float((shift[:, pair[0]] - shift[:, pair[1]]).mean())) > 0.2:
                return model, clean, corrupt, *(pair[::-1] if backwards else pair)

    return draw


SWAPPED = (
    "The directions are swapped: pieces of the *corrupt* run are put into the clean one, so the answer "
    "says what is *lost*. Run the model on `corrupt`, and put in what the clean run had there."
)
MEASURED = (
    "Only the answer's own logit is measured. The rival's belongs to it: `logits[answer] - logits[rival]` "
    "does not move when all logits rise together."
)
SPAN = "(patched − corrupt) / (clean − corrupt): 0 is the corrupt run, 1 the clean one."

patch_effect = Exercise(
    name="patch_effect",
    arguments=("model", "clean", "corrupt", "answer", "rival"),
    returns="L T",
    reference=effect_oracle,
    attempt=effect_attempt,
    faults=(
        Fault("directions swapped", SWAPPED, {"put": "corrupt into clean"}),
        Fault("directions swapped", SWAPPED, {"put": "arguments swapped"}),
        Fault(
            "nothing patched",
            "Nothing is patched: what you put in is what was there. A later run *overwrites* what "
            "`tg.capture` holds, so capture the clean run alone.",
            {"point": "nothing"},
        ),
        Fault(
            "all positions at once",
            "All positions are patched at once. Put in one position: `new[:, t]`.",
            {"which": "all"},
        ),
        Fault(
            "patches pile up",
            "The patches of earlier positions stay in place. Each entry is a run of its own with one "
            "position patched: clone inside the edit.",
            {"which": "so far"},
        ),
        Fault(
            "patches pile up",
            "Patches of earlier positions and layers stay in place. `with tg.edit(...)` takes its edit "
            "away at the end of the block: make one for each entry.",
            {"which": "edits pile up"},
        ),
        Fault(
            "everything from t on",
            "Position t and all after it are patched. Put in one position.",
            {"which": "from here"},
        ),
        Fault("the next position", "Position t + 1 is patched in place of t.", {"which": "next"}),
        Fault(
            "mlp's output patched",
            "Patched is what the feed-forward layer *writes*, `mlp_out`. Wanted is the whole stream after "
            "the block: `residual`.",
            {"point": "mlp_out"},
        ),
        Fault(
            "attention's output patched",
            "Patched is what attention *writes*, `attn_out`. Wanted is the whole stream after the block: "
            "`residual`.",
            {"point": "attn_out"},
        ),
        Fault(
            "stream of the layer before",
            "Row l puts in the clean stream from *before* block l. Row l is about the stream after it, "
            "`blocks.l.residual`.",
            {"point": "layer before"},
        ),
        Fault("rival forgotten", MEASURED, {"measure": "answer"}),
        Fault(
            "rival forgotten",
            "Only the answer's own log-probability is measured. Subtract the rival's.",
            {"measure": "answer's log"},
        ),
        Fault(
            "answer forgotten",
            "Only the rival is measured: `logits[answer] - logits[rival]`.",
            {"measure": "rival"},
        ),
        Fault(
            "probabilities in place of logits",
            "The difference is one of probabilities. It is almost flat where the model is sure: use the "
            "logits.",
            {"measure": "probability"},
        ),
        Fault(
            "not normalised", f"This is the bare difference of logits. Wanted is {SPAN}", {"scale": "none"}
        ),
        Fault(
            "not divided",
            f"The corrupt run is subtracted, but nothing divides. Wanted is {SPAN}",
            {"scale": "no division"},
        ),
        Fault(
            "corrupt run not subtracted",
            f"Divided, but not measured from the corrupt run: {SPAN}",
            {"scale": "no subtraction"},
        ),
        Fault(
            "divided by the clean run",
            f"Divided by the clean difference alone. Wanted is {SPAN}",
            {"scale": "by clean"},
        ),
        Fault(
            "divided by the clean run",
            f"Divided by the clean difference alone. Wanted is {SPAN}",
            {"scale": "by clean, from corrupt"},
        ),
        Fault(
            "measured from the clean run",
            f"The ends, 0 and 1, have changed places. Wanted is {SPAN}",
            {"scale": "from clean"},
        ),
        Fault("wrong sign", f"Every entry has the wrong sign. Wanted is {SPAN}", {"scale": "minus"}),
        Fault(
            "divided by a size",
            "The difference is divided by the *size* of clean − corrupt. Where that is negative the sign "
            "is lost: divide by the number itself.",
            {"scale": "size"},
        ),
        Fault(
            "sign lost",
            "An effect may be negative: a patch can make it worse. Take no `abs()`.",
            {"scale": "absolute"},
        ),
        Fault(
            "cut off", "An effect may be below 0 or above 1. Show what was measured.", {"scale": "clamped"}
        ),
        Fault(
            "read at the patched position",
            "The logits are read at the patched position. Patch at t, read at the *last* position.",
            {"read": "patched"},
        ),
        Fault(
            "averaged over positions",
            "The logits are averaged over positions. Read the *last* one.",
            {"read": "mean"},
        ),
        Fault(
            "read at the first position",
            "The logits are read at the first position. Read the last.",
            {"read": "first"},
        ),
    ),
    cases=(
        Case("two layers, four tokens, all of them changed", _question(2, 4)),
        Case("only the first token changed", _question(2, 5, "first")),
        Case("the middle changed, the other token asked for", _question(3, 4, "middle", backwards=True)),
        Case("as many layers as tokens", _question(3, 3), points=2),
        Case("only the last token changed", _question(2, 4, "last")),
    ),
    shortcuts=("tinygpt.interp",),
)
