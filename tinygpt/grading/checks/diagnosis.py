"""The bug hunt of chapter 04, "It trains": what is wrong with a block, seen from outside?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from tinygpt.grading.checks.draws import normal
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law

DOUBLE = torch.float64
Black = Callable[..., Tensor]
LOST = ("attn dropped", "mlp dropped", "both dropped")
NORMED = ("normed first", "normed between", "normed after")
MASKS = {"sound": 1, "ahead": 2, "blind": 0, "average": 0}


@dataclass(frozen=True)
class Patient:
    """A small fixed block with one head, from a stream B T D to the next, that may be faulty in known ways.

    It is described by plain values, so that a judge can rebuild it in another process.

    Args:
        stream: "sound", "attn dropped", "mlp dropped", "both dropped" (a part's answer replaces the stream),
            "normed first", "normed between", "normed after" (the stream itself is normalised).
        mask: "sound", "ahead" (each position sees the next one too), "blind" (none sees itself, but for the
            first) or "average" (none sees itself, and the first, left with nothing, sees all).
        seed: Chooses the weights.
    """

    stream: str
    mask: str
    seed: int

    def __call__(self, x: Tensor, attn: float = 1.0, mlp: float = 1.0) -> Tensor:
        """The stream after the block; what the parts write is multiplied by `attn` and `mlp`."""
        if self.stream == "normed first":
            x = _norm(x)
        wrote = attn * self._attend(_norm(x))
        h = wrote if self.stream in ("attn dropped", "both dropped") else x + wrote
        if self.stream in ("normed between", "normed after"):
            h = _norm(h)
        wrote = mlp * F.gelu(_norm(h) @ self._matrix(1, h)) @ self._matrix(2, h)
        h = wrote if self.stream in ("mlp dropped", "both dropped") else h + wrote
        return _norm(h) if self.stream == "normed after" else h

    def _attend(self, x: Tensor) -> Tensor:
        """Attention whose queries and keys are both x, and whose values are x times a matrix."""
        T, D = x.shape[-2:]
        hidden = torch.ones(T, T, dtype=torch.bool).triu(MASKS[self.mask])
        hidden[0, 0] &= self.mask != "blind"
        scores = (x @ x.mT / D**0.5).masked_fill(hidden, -1e9)
        return scores.softmax(-1) @ (x @ self._matrix(0, x))

    def _matrix(self, which: int, x: Tensor) -> Tensor:
        """One of the three matrices, D × D."""
        D = x.shape[-1]
        return normal(Generator().manual_seed(3 * self.seed + which), D, D, dtype=DOUBLE).to(x.dtype) / D**0.5


def _norm(x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:])


def faults_oracle(block: Patient, x: Tensor) -> list[str]:
    """The truth, known from how the patient was made."""
    found = {"residual": block.stream in LOST, "norm": block.stream in NORMED, "mask": block.mask != "sound"}
    return [word for word, there in found.items() if there]


def faults_attempt(
    block: Black,
    x: Tensor,
    *,
    silenced: tuple[float, float] = (0.0, 0.0),
    probes: str = "two sizes",
    zeros: str = "all",
    watched: str = "all",
    left_out: str = "",
    reverse: bool = False,
    both: bool = False,
    one: bool = False,
) -> list[str]:
    """The three tests with a knob for each known way to go wrong."""
    streams = (x, 3 * x + 1) if probes == "two sizes" else (x,)
    quiet = [(s, block(s, *silenced)) for s in streams]
    changed = any(not torch.allclose(out, s, atol=1e-5) for s, out in quiet)
    empty = all(bool((out.abs() < 1e-5).all()) for _, out in quiet)
    if zeros == "any change":
        empty = changed
    found = {"residual": changed and empty, "norm": changed and (both or not empty)}
    found["mask"] = _misses(block, x, watched)
    words = [word for word, there in found.items() if there and word != left_out]
    return words[:1] if one else words[::-1] if reverse else words


def _misses(block: Black, x: Tensor, watched: str) -> bool:
    """Whether attention writes where it should not, or does not where it should, when one position speaks."""
    T = x.shape[1]
    for t in range(T):
        pulse = torch.zeros_like(x)
        pulse[:, t] = x[:, t]
        wrote = (block(pulse) - block(pulse, 0.0, 1.0)).abs().amax((0, 2)) > 1e-7
        places = {"before": range(t), "itself": [t]}.get(watched, range(T))
        if any(bool(wrote[s]) != (s >= t) for s in places):
            return True
    return False


class _Witness:
    """A block that counts how often attention is heard. Inputs are copied for an answer; this is not."""

    def __init__(self, block: Black) -> None:
        self.block, self.heard = block, 0

    def __deepcopy__(self, memo: dict) -> _Witness:
        return self

    def __call__(self, x: Tensor, attn: float = 1.0, mlp: float = 1.0) -> Tensor:
        self.heard += bool(attn)
        return self.block(x, attn, mlp)


def misses_the_mask(call: Call, args: tuple, got: list[str]) -> bool:
    return args[0].mask != "sound" and "mask" not in got


def seeks_in_silence(call: Call, args: tuple, got: list[str]) -> bool:
    """Whether an answer that missed a faulty mask never let attention speak."""
    if not misses_the_mask(call, args, got):
        return False
    witness = _Witness(args[0])
    call(witness, args[1])
    return not witness.heard


def _patient(
    stream: str = "sound", mask: str = "sound", T: int = 4, normed: bool = False
) -> Callable[[Generator], tuple]:
    def draw(generator: Generator) -> tuple:
        seed = int(torch.randint(10**6, (), generator=generator))
        x = normal(generator, 2, T, 6, dtype=DOUBLE)
        return Patient(stream, mask, seed), _norm(x) if normed else x

    return draw


def _each_of(streams: tuple[str, ...], masks: tuple[str, ...] = ("sound",)) -> Callable[[Generator], tuple]:
    """One kind after the other as the seed moves on, so that questions asked several times miss none."""

    def draw(generator: Generator) -> tuple:
        turn = generator.initial_seed() >> 32  # the seed as `examine` makes it
        return _patient(streams[turn % len(streams)], masks[turn % len(masks)])(generator)

    return draw


block_faults = Exercise(
    name="block_faults",
    arguments=("block", "x"),
    returns="a list of words",
    reference=faults_oracle,
    attempt=faults_attempt,
    faults=(
        Fault(
            "parts not silenced",
            "You compare the stream before and after while both parts write to it: that it changes is what "
            "they are for. Ask `block(x, 0.0, 0.0)`.",
            {"silenced": (1.0, 1.0)},
        ),
        Fault(
            "one part not silenced",
            "The feed-forward layer still writes while you ask whether the stream comes through: silence "
            "both, `block(x, 0.0, 0.0)`.",
            {"silenced": (0.0, 1.0)},
        ),
        Fault(
            "one part not silenced",
            "Attention still writes while you ask whether the stream comes through: silence both, "
            "`block(x, 0.0, 0.0)`.",
            {"silenced": (1.0, 0.0)},
        ),
        Fault(
            "every change called residual",
            'A stream that comes out *normalised* is not lost. "residual" is when nothing comes out, zeros '
            'everywhere; any other change is "norm".',
            {"zeros": "any change"},
        ),
        Fault(
            "norm beside residual",
            "Where the silenced block gives zeros there is no stream left of which to say that it is "
            "normalised: "
            '"residual" alone.',
            {"both": True},
        ),
        Fault(
            "only the given stream tried",
            "A norm does nothing to what is normalised already, and the given `x` may be just that. Try "
            "another stream too: `3 * x + 1`, say.",
            {"probes": "as it came"},
        ),
        Fault(
            "leaks only",
            "You look for leaks only. A mask may also hide too much: a position must hear itself, through "
            "attention too.",
            {"watched": "before"},
        ),
        Fault(
            "own position only",
            "You ask only whether a position hears itself. A mask may also show too much: the ones before "
            "must not hear it.",
            {"watched": "itself"},
        ),
        Fault(
            "residual left out",
            "A lost stream is never reported: with both parts silenced nothing comes out but zeros.",
            {"left_out": "residual"},
        ),
        Fault(
            "norm left out",
            "A normalised stream is never reported. It is one that comes out of the silenced block "
            "changed, but not as zeros. Do not normalise it yourself before you ask.",
            {"left_out": "norm"},
        ),
        Fault(
            "one fault only",
            "You stop at the first fault. A block may have two: test its mask too, whatever became of the "
            "stream.",
            {"one": True},
        ),
        Fault(
            "another order",
            'Right words in another order. Wanted is that of the table: "residual", "norm", "mask".',
            {"reverse": True},
        ),
    ),
    laws=(
        Law(
            "mask tested in silence",
            "You never ask the block with attention at volume 1. With attention silenced nobody hears "
            "anybody: `block(x, 1.0, 1.0)`.",
            seeks_in_silence,
        ),
        Law(
            "faulty mask missed",
            "Some faulty masks are not found. Let one position at a time speak, each in turn, and compare "
            "*where* attention writes with where it should: there and later, nowhere else.",
            misses_the_mask,
        ),
    ),
    cases=(
        Case("sound blocks: the list is empty", _patient()),
        Case("the stream is lost", _each_of(LOST), times=3),
        Case("the stream is normalised", _each_of(NORMED), times=3),
        Case("each position sees the next one", _patient(mask="ahead")),
        Case("no position sees itself", _each_of(("sound",), ("blind", "average")), times=2),
        Case("two faults at once", _each_of((*LOST, *NORMED), ("ahead", "blind", "average")), times=6),
        Case(
            "streams that are normalised already",
            _patient("normed between", normed=True),
            advice="A norm does nothing to what is normalised already. Try another stream too.",
        ),
    ),
)
