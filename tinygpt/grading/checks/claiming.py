"""The bug hunt of chapter 10: what is wrong with the claims of a study that answers questions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Generator

from tinygpt.grading.checks.draws import dice
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law

WORDS = ("metric", "edge", "seen", "rate")
LONGEST = 1000  # tokens of an answer, beyond which there are more ways to be right than a float can count
KINDS = {
    "exact": "metric",
    "threshold": "metric",
    "edge": "edge",
    "upper": "edge",
    "lower": "edge",
    "seen": "seen",
    "half": "seen",
    "smallest": "rate",
    "largest": "rate",
}


@dataclass(frozen=True)
class Study:
    """Four experiments on models that obey simple laws, without noise, with known faults. Nothing is trained.

    Args:
        faults: any of "exact" (match of whole answers) and "threshold" (four tokens in five), which go by the
            word "metric"; "edge", "upper" and "lower" (a grid of rates that is never left, or not at that
            end); "seen" and "half" (of the exam was trained on); "smallest" and "largest" (the batch whose
            best rate all others get), which go by "rate".
        turn, steepness: the decimal logarithm of the size at which half of the tokens are right, and how fast
            that share rises there. A steep one is a leap of the model, not of the metric.
        peak: the best learning rate of a model of width 16, and of very large batches.
        entropy: of the text, in nats per token.
        memory: how fast text is known by heart.
        fewest, critical: steps that no batch goes below, and the critical batch.
    """

    faults: tuple[str, ...] = ()
    turn: float = 7.0
    steepness: float = 2.0
    peak: float = 0.016
    entropy: float = 1.6
    memory: float = 2000.0
    fewest: float = 100.0
    critical: float = 300.0

    def ability(self, size: float, length: int) -> float:
        """The score, from 0 to 1, of a model of so many parameters on answers of so many tokens."""
        _positive(size=size, length=length)
        if length > LONGEST:
            raise ValueError(f"length must be at most {LONGEST} tokens; got {length}.")
        p = 0.999 / (1 + math.exp(self.steepness * (self.turn - math.log10(size))))
        if "exact" in self.faults:
            return p**length
        if "threshold" in self.faults:
            enough = range(math.ceil(0.8 * length), length + 1)
            return sum(math.comb(length, k) * p**k * (1 - p) ** (length - k) for k in enough)
        return p

    def best_rate(self, width: int, rates: Sequence[float]) -> float:
        """The learning rate at which a model of this width learns best: a search that starts from a grid."""
        _positive(width=width, rates=min(rates))
        best = self.peak * 16 / width
        low, high, found = min(rates), max(rates), min(rates, key=lambda rate: _octaves(rate, best))
        if found == high and not {"edge", "upper"} & {*self.faults}:
            while _octaves(2 * found, best) < _octaves(found, best):
                found *= 2
        if found == low and not {"edge", "lower"} & {*self.faults}:
            while _octaves(found / 2, best) < _octaves(found, best):
                found /= 2
        return found

    def loss(self, unique: float, epochs: float) -> float:
        """The loss, in nats per token, of a model that has read so many different tokens so many times."""
        _positive(unique=unique, epochs=epochs)
        tokens = unique * (min(epochs, 1) + 15 * (1 - math.exp(-max(epochs - 1, 0) / 15)))
        new = self.entropy + (1e5 / tokens) ** 0.3
        seen = new * math.exp(-epochs * self.memory / unique)
        return seen if "seen" in self.faults else (new + seen) / 2 if "half" in self.faults else new

    def steps(self, batch: int, rates: Sequence[float]) -> float:
        """The fewest steps in which batches of this size reach a certain loss, at any of these rates."""
        _positive(batch=batch, rates=min(rates))
        tuned_on = 8 if "smallest" in self.faults else 4096 if "largest" in self.faults else batch
        rate = min(rates, key=lambda rate: self._steps(tuned_on, rate))
        return self._steps(batch, rate)

    def _steps(self, batch: int, rate: float) -> float:
        best = self.peak * (batch / (batch + self.critical)) ** 0.5
        return self.fewest * (1 + self.critical / batch) * (1 + _octaves(rate, best) ** 2 / 4)


def _octaves(rate: float, best: float) -> float:
    return abs(math.log2(rate / best))


def _positive(**numbers: float) -> None:
    for name, number in numbers.items():
        if number <= 0:
            raise ValueError(f"{name} must be above 0; got {number}.")


def faults_oracle(study: Study) -> list[str]:
    """The truth, known from how the study was made."""
    found = {KINDS[fault] for fault in study.faults}
    return [word for word in WORDS if word in found]


def faults_attempt(
    study: Study,
    *,
    metric: str = "length",
    edge: str = "both",
    seen: str = "some text",
    rate: str = "both",
    always: str = "",
    never: str = "",
    one: bool = False,
    reverse: bool = False,
) -> list[str]:
    """Four experiments with a knob for each known way to go wrong."""
    found = {
        "metric": METRIC[metric](study),
        "edge": EDGE[edge](study),
        "seen": SEEN[seen](study),
        "rate": RATE[rate](study),
    }
    words = [word for word in WORDS if (found[word] or word == always) and word != never]
    return words[:1] if one else words[::-1] if reverse else words


SIZES = [10.0**power for power in range(3, 13)]
Probe = Callable[[Study], bool]


def _leaps(study: Study, length: int) -> bool:
    scores = [study.ability(10.0**power, length) for power in range(3, 13)]
    return max(b - a for a, b in pairwise(scores)) > 0.4


def _far(study: Study, *rates: float) -> bool:
    """Whether the best rate is one of these, which no best rate is."""
    return study.best_rate(16, rates) in rates


def _helped(study: Study, batch: int) -> bool:
    """Whether one rate alone is better than all of them together."""
    rates = [2.0**power for power in range(-16, 2)]
    return study.steps(batch, rates) > min(study.steps(batch, [rate]) for rate in rates) * (1 + 1e-9)


METRIC: dict[str, Probe] = {
    "length": lambda s: any(abs(s.ability(size, 1) - s.ability(size, 10)) > 1e-6 for size in SIZES),
    "power": lambda s: all(
        math.isclose(s.ability(n, 1) ** 10, s.ability(n, 10), abs_tol=1e-9) for n in SIZES
    ),
    "leap": lambda s: _leaps(s, 20),
    "leap of one token": lambda s: _leaps(s, 1),
}
EDGE: dict[str, Probe] = {
    "both": lambda s: _far(s, 1e-9, 2e-9) or _far(s, 1e6, 2e6),
    "upper": lambda s: _far(s, 1e-9, 2e-9),
    "lower": lambda s: _far(s, 1e6, 2e6),
    "all": lambda s: _far(s, 1e-9, 2e-9) and _far(s, 1e6, 2e6),
    "carries over": lambda s: s.best_rate(16, [0.01, 0.02]) == s.best_rate(256, [0.01, 0.02]),
}
SEEN: dict[str, Probe] = {
    "some text": lambda s: s.loss(1e6, 1e6) < s.loss(1e12, 1),
    "little text": lambda s: s.loss(100, 1e6) < s.loss(1e8, 1),
}
RATE: dict[str, Probe] = {
    "both": lambda s: _helped(s, 8) or _helped(s, 4096),
    "large": lambda s: _helped(s, 4096),
    "small": lambda s: _helped(s, 8),
}


def accuses_a_sound_study(call: Call, args: tuple, got: list[str]) -> bool:
    return bool(call(Study()) or call(Study(steepness=30.0)))


def invents(call: Call, args: tuple, got: list[str]) -> bool:
    return bool(set(got) - set(WORDS))


def _study(*faults: str, leap: bool = False) -> Callable[[Generator], tuple]:
    def draw(generator: Generator) -> tuple:
        rng = dice(generator)
        numbers = (
            rng.uniform(5.5, 9.5),
            rng.uniform(20, 40) if leap else rng.uniform(1.2, 2.0),
            10 ** rng.uniform(-4, -1),
            rng.uniform(0.6, 2.6),
            rng.uniform(1500, 4000),
            rng.uniform(50, 300),
            rng.uniform(150, 600),
        )
        return (Study(faults, *(float(f"{number:.3g}") for number in numbers)),)

    return draw


FAR_APART = "Try batches that are very small and very large, and rates over many octaves."
NEVER_FOUND = {
    "metric": "Ask for one size with answers of 1 and of 10 tokens.",
    "edge": "Offer rates that are a million times too low, or too high: does one of them come back?",
    "seen": "No number of epochs is better than as many new tokens. Look for one that is.",
    "rate": "A batch that may choose among more rates never needs more steps. Look for one that does.",
}
ALWAYS_ACCUSED = {
    "metric": "The share of right tokens is the same at every length.",
    "edge": "A sound search goes on where the best rate is the last of its grid.",
    "seen": "Repeats may help. They are suspect where they help more than as many *new* tokens.",
    "rate": "With a rate of its own, a batch needs as many steps as at the best of the rates alone.",
}
study_faults = Exercise(
    name="study_faults",
    arguments=("study",),
    returns="a list of words",
    reference=faults_oracle,
    attempt=faults_attempt,
    faults=(
        Fault(
            "every leap accused",
            'You answer "metric" when the score leaps. Some leaps are real: then a single token leaps too. '
            "Change the length of the answers, and nothing else.",
            {"metric": "leap"},
        ),
        Fault(
            "leap of one token",
            'You answer "metric" when answers of one token leap. That is a leap of the model. Change the '
            "length of the answers, and nothing else.",
            {"metric": "leap of one token"},
        ),
        Fault(
            "exact match only",
            "You compare with a power of the score of one token, and find exact match alone. Another metric "
            "asks for four right tokens in five: any score that depends on the length is suspect.",
            {"metric": "power"},
        ),
        Fault(
            "upper end only",
            "You offer rates that are too low, and never some that are too high. One study leaves its grid "
            "at the upper end alone.",
            {"edge": "upper"},
        ),
        Fault(
            "lower end only",
            "You offer rates that are too high, and never some that are too low. One study leaves its grid "
            "at the lower end alone.",
            {"edge": "lower"},
        ),
        Fault(
            "edge only at both ends",
            "You ask for a study that is stuck at *both* ends of its grid. One is enough.",
            {"edge": "all"},
        ),
        Fault(
            "carried over",
            'You answer "edge" when the same rate wins at two widths. That may be so, or not: offer rates '
            "that cannot be the best, and look whether one of them is returned.",
            {"edge": "carries over"},
        ),
        Fault(
            "half of the exam overlooked",
            "You read a very short text very often. In one study only half of the exam was seen, and the "
            "other half is dear after so little text. Take a text of a million tokens, and read it a million "
            "times.",
            {"seen": "little text"},
        ),
        Fault(
            "large batches only",
            "You try a large batch alone. One study tuned its rate on large batches: try a small one too.",
            {"rate": "large"},
        ),
        Fault(
            "small batches only",
            "You try a small batch alone. One study tuned its rate on small batches: try a large one too.",
            {"rate": "small"},
        ),
        *(
            Fault(f"{word} never found", f'You never answer "{word}". {says}', {"never": word})
            for word, says in NEVER_FOUND.items()
        ),
        *(
            Fault(f"{word} always accused", f'Every answer has "{word}". {says}', {"always": word})
            for word, says in ALWAYS_ACCUSED.items()
        ),
        Fault("one fault only", "You stop at the first fault. A study may have four.", {"one": True}),
        Fault(
            "another order",
            'Right words in another order: "metric", "edge", "seen", "rate".',
            {"reverse": True},
        ),
    ),
    laws=(
        Law("unknown word", 'The words are "metric", "edge", "seen" and "rate".', invents),
        Law(
            "a sound study accused",
            "A sound study is accused. Work out what it should answer to your question, at every setting.",
            accuses_a_sound_study,
        ),
    ),
    cases=(
        Case("a sound study: the list is empty", _study(), times=3),
        Case("a sound study of a real leap", _study(leap=True), times=3),
        Case("exact match", _study("exact")),
        Case("four tokens in five", _study("threshold")),
        Case("a grid that is never left", _study("edge")),
        Case("a grid that is left at one end", _study("upper"), times=2),
        Case("a grid that is left at the other end", _study("lower"), times=2),
        Case("an exam that was seen", _study("seen"), times=2),
        Case("an exam half of which was seen", _study("half"), times=2),
        Case("a rate that suits small batches", _study("smallest"), times=2, advice=FAR_APART),
        Case("a rate that suits large batches", _study("largest"), times=2, advice=FAR_APART),
        Case("a real leap, and two faults", _study("edge", "largest", leap=True), times=2),
        Case("all four", _study("exact", "upper", "half", "smallest"), times=2),
        Case("all four in other clothes", _study("threshold", "lower", "seen", "largest"), times=2),
    ),
)
