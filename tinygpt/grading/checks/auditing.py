"""The bug hunt of chapter 09, "The law of a colleague": which points of a scaling law are no such points?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass

from torch import Generator

from tinygpt.grading.checks.draws import dice
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law

Shape = tuple[int, int, int]
Points = list[tuple[int, int, float]]
WORDS = ("schedule", "embedding", "seen")


@dataclass(frozen=True)
class Lab:
    """A laboratory without noise, whose models obey L = E + A / N^α + B / D^β when their training is over.

    Args:
        E, A, B, alpha, beta: of the law, with N all weights of a shape.
    """

    E: float
    A: float
    B: float
    alpha: float
    beta: float

    def __call__(self, shape: Shape, tokens: int, schedule: int, text: str) -> float:
        """The loss of one model, in nats per token.

        Args:
            shape: layers, width and vocabulary.
            tokens: how many it has read when it is measured.
            schedule: after how many its learning rate has come down to zero, along half a cosine.
            text: what it is measured on, "new" text or text that it has "seen".

        Raises:
            ValueError: The run was over before, or there is no such text.
        """
        if not 0 < tokens <= schedule:
            raise ValueError(f"a run of {schedule} tokens cannot be measured after {tokens}.")
        if text not in ("new", "seen"):
            raise ValueError(f'text must be "new" or "seen"; got {text!r}.')
        small, untold = self.A / weights(shape) ** self.alpha, self.B / tokens**self.beta
        rate = (1 + math.cos(math.pi * tokens / schedule)) / 2
        shaken = 0.6 * rate * (small + untold)
        known = (self.E + small) * math.exp(-untold)  # little text is soon known by heart
        return (known if text == "seen" else self.E + small + untold) + shaken


def weights(shape: Shape) -> int:
    """All weights of a shape: four matrices of attention, two of four times the width, a table and a head."""
    n_layers, d_model, vocab_size = shape
    return 12 * n_layers * d_model**2 + 2 * vocab_size * d_model


@dataclass(frozen=True)
class Pipeline:
    """Measures points of a scaling law, with known faults. Plain values, so that a judge can rebuild it.

    Args:
        faults: any of "schedule" (one long run, measured on the way), "embedding" (N without table and head),
            "table" (N without one of the two, which also goes by the word "embedding") and "seen" (the loss
            of text that was trained on).
        E, A, B, alpha, beta: of its `Lab`.
    """

    faults: tuple[str, ...] = ()
    E: float = 1.6
    A: float = 40.0
    B: float = 30.0
    alpha: float = 0.35
    beta: float = 0.35

    def __call__(self, shapes: Sequence[Shape], tokens: Sequence[int]) -> Points:
        """(N, D, loss) of each shape on each number of tokens."""
        lab = Lab(*astuple(self)[1:])
        missing = 2 if "embedding" in self.faults else 1 if "table" in self.faults else 0
        text = "seen" if "seen" in self.faults else "new"
        return [
            (
                weights(shape) - missing * shape[1] * shape[2],
                D,
                lab(shape, D, max(tokens) if "schedule" in self.faults else D, text),
            )
            for shape in shapes
            for D in tokens
        ]


def faults_oracle(pipeline: Pipeline, entropy: float) -> list[str]:
    """The truth, known from how the pipeline was made."""
    found = {"embedding" if fault == "table" else fault for fault in pipeline.faults}
    return [word for word in WORDS if word in found]


def faults_attempt(
    pipeline: Callable[..., Points],
    entropy: float,
    *,
    counted: str = "table and head",
    asked: str = "one at a time",
    always: str = "",
    never: str = "",
    one: bool = False,
    reverse: bool = False,
) -> list[str]:
    """Three probes, each for one fault, with a knob for each known way to go wrong."""
    shape, large, D = (2, 8, 50), (48, 4096, 50_000), 1000
    ((N, _, alone),) = pipeline([shape], [D])
    found = {"schedule": abs(alone - pipeline([shape], [D, 100 * D])[0][2]) > 1e-9}
    found["embedding"] = {
        "table and head": lambda: weights(shape) != N,
        "table only": lambda: weights(shape) - 8 * 50 != N,
        "neither": lambda: N != 12 * 2 * 8 * 8,
        "does it change": lambda: pipeline([(2, 8, 99)], [D])[0][0] == N,
    }[counted]()
    little = pipeline([large], [D] if asked == "one at a time" else [D, 10**9])
    much = pipeline([large], [10**9])
    found["seen"] = little[0][2] < (little + much)[1][2]
    words = [word for word in WORDS if (found[word] or word == always) and word != never]
    return words[:1] if one else words[::-1] if reverse else words


def accuses_a_sound_pipeline(call: Call, args: tuple, got: list[str]) -> bool:
    return bool(call(Pipeline(), Pipeline.E))


def invents(call: Call, args: tuple, got: list[str]) -> bool:
    return bool(set(got) - set(WORDS))


def _lab(generator: Generator) -> tuple[float, ...]:
    rng = dice(generator)
    return (
        round(rng.uniform(1.2, 2.2), 3),
        *(round(rng.uniform(20, 60), 1) for _ in range(2)),
        *(round(rng.uniform(0.3, 0.4), 3) for _ in range(2)),
    )


def _pipeline(*faults: str) -> Callable[[Generator], tuple]:
    def draw(generator: Generator) -> tuple:
        law = _lab(generator)
        return Pipeline(faults, *law), law[0]

    return draw


pipeline_faults = Exercise(
    name="pipeline_faults",
    arguments=("pipeline", "entropy"),
    returns="a list of words",
    reference=faults_oracle,
    attempt=faults_attempt,
    faults=(
        Fault(
            "schedule never found",
            'You never answer "schedule". Ask for D alone, then for D together with a number that is '
            "much larger: a run of its own is the same both times.",
            {"never": "schedule"},
        ),
        Fault(
            "embedding never found",
            'You never answer "embedding". Choose a narrow shape with a large vocabulary, work out '
            "its weights on paper, and compare with N.",
            {"never": "embedding"},
        ),
        Fault(
            "seen never found",
            'You never answer "seen". Ask for a large model after very little text, and for nothing '
            "else in that call: new text would cost it far more than the entropy.",
            {"never": "seen"},
        ),
        Fault(
            "half of the embedding overlooked",
            "You ask whether N changes with the vocabulary. One pipeline counts the table and leaves out the "
            "head, so it does change, by half as much as it should: compare with the number itself.",
            {"counted": "does it change"},
        ),
        Fault(
            "head not expected",
            "You expect the table alone. A head of its own is as large again: 2 · V · d.",
            {"counted": "table only"},
        ),
        Fault(
            "embedding not expected",
            "You expect N without table and head, so sound pipelines are accused. N is *all* weights.",
            {"counted": "neither"},
        ),
        Fault(
            "one fault hides another",
            "You miss that text was seen when the schedule is wrong too: what a long schedule adds early on "
            "hides it. Ask for one number of tokens in a call: then no run is longer than it should be.",
            {"asked": "together"},
        ),
        Fault(
            "schedule always accused",
            'Every answer has "schedule". In a sound pipeline the loss at D does not depend on what else is '
            "asked for.",
            {"always": "schedule"},
        ),
        Fault(
            "embedding always accused",
            'Every answer has "embedding". A sound N is 12 · layers · d² + 2 · V · d.',
            {"always": "embedding"},
        ),
        Fault(
            "seen always accused",
            'Every answer has "seen". On new text the loss never goes below the entropy, and falls with more '
            "training.",
            {"always": "seen"},
        ),
        Fault("one fault only", "You stop at the first fault. A pipeline may have three.", {"one": True}),
        Fault(
            "another order",
            'Right words in another order: "schedule", "embedding", "seen".',
            {"reverse": True},
        ),
    ),
    laws=(
        Law("unknown word", 'The words are "schedule", "embedding" and "seen".', invents),
        Law(
            "a sound pipeline accused",
            "A sound pipeline is accused. Work out on paper what it should answer to your question.",
            accuses_a_sound_pipeline,
        ),
    ),
    cases=(
        Case("a sound pipeline: the list is empty", _pipeline(), times=3),
        Case("runs measured on the way", _pipeline("schedule")),
        Case("N without table and head", _pipeline("embedding")),
        Case("N without the head", _pipeline("table")),
        Case("text that was seen", _pipeline("seen"), times=3),
        Case("two faults", _pipeline("schedule", "seen"), times=3),
        Case("two others", _pipeline("schedule", "table")),
        Case("all three", _pipeline("schedule", "embedding", "seen"), times=3),
    ),
)


def mended_oracle(lab: Lab, shapes: Sequence[Shape], tokens: Sequence[int]) -> Points:
    """Straight from the law."""
    points = []
    for n_layers, d, V in shapes:
        N = sum([4 * d * d, 2 * d * 4 * d] * n_layers) + V * d + d * V
        points += [(N, D, lab.E + lab.A * N**-lab.alpha + lab.B * D**-lab.beta) for D in tokens]
    return points


def mended_attempt(
    lab: Callable[..., float],
    shapes: Sequence[Shape],
    tokens: Sequence[int],
    *,
    schedule: str = "own",
    counted: str = "all",
    text: str = "new",
    order: str = "shapes first",
    loss: str = "whole",
) -> Points:
    """The points with a knob for each known way to go wrong."""
    points = []
    for shape in shapes:
        n_layers, d_model, vocab_size = shape
        N = 12 * n_layers * d_model**2
        N += {"body": 0, "table": 1, "all": 2, "thrice": 3}[counted] * vocab_size * d_model
        for D in tokens:
            length = {"own": D, "longest": max(tokens), "twice": 2 * D}[schedule]
            points.append((N, D, lab(shape, D, length, text)))
    if loss == "excess":
        points = [(N, D, found - lab.E) for N, D, found in points]
    if order == "tokens first":
        return [point for i in range(len(tokens)) for point in points[i :: len(tokens)]]
    return sorted(points) if order == "sorted" else points


def follows_the_others(call: Call, args: tuple, got: Points) -> bool:
    """A run's loss depends on no other run."""
    lab, shapes, tokens = args
    return call(lab, shapes[:1], [tokens[0], 10**12])[0] != call(lab, shapes[:1], [tokens[0]])[0]


def _bench(n_shapes: int, n_tokens: int, *, order: str = "up") -> Callable[[Generator], tuple]:
    def draw(generator: Generator) -> tuple:
        rng = dice(generator)
        shapes = [(rng.randint(1, 9), 8 * rng.randint(1, 64), rng.randint(50, 9000)) for _ in range(n_shapes)]
        tokens = [rng.randint(2, 9) * 10 ** (4 + i % 4) for i in range(n_tokens)]
        if order == "short":
            tokens = [rng.randint(2, 60) for _ in range(n_tokens)]
        if order == "mixed":
            tokens = [*tokens[1:], tokens[0], tokens[1]]
        return Lab(*_lab(generator)), shapes, tokens

    return draw


mended_points = Exercise(
    name="mended_points",
    arguments=("lab", "shapes", "tokens"),
    returns="a list of points (N, D, loss)",
    reference=mended_oracle,
    attempt=mended_attempt,
    tolerance=1e-6,
    faults=(
        Fault(
            "read off one long run",
            "All points of a shape come from the longest run, so the shorter ones are measured while the "
            "learning rate is still high. Give each number of tokens a schedule that ends there.",
            {"schedule": "longest"},
        ),
        Fault(
            "stopped halfway",
            "Each schedule is twice as long as its run. It should end where the run ends.",
            {"schedule": "twice"},
        ),
        Fault(
            "table and head left out",
            "N lacks the table and the head, which are most of a small model: add 2 · V · d.",
            {"counted": "body"},
        ),
        Fault(
            "one of table and head left out",
            "N has the table or the head, but not both: add 2 · V · d.",
            {"counted": "table"},
        ),
        Fault("one too many", "N has three matrices (V, d). There are two.", {"counted": "thrice"}),
        Fault(
            "text that was seen",
            "The loss is that of text the model was trained on. Measure on new text.",
            {"text": "seen"},
        ),
        Fault(
            "excess in place of the loss",
            "You subtract E. A point has the loss as it is; the fit finds E.",
            {"loss": "excess"},
        ),
        Fault(
            "tokens before shapes",
            "Right points in another order: all of the first shape, then all of the second.",
            {"order": "tokens first"},
        ),
        Fault("sorted", "Right points, sorted. Keep the order that was asked for.", {"order": "sorted"}),
    ),
    laws=(
        Law(
            "one run follows the others",
            "The loss of a run changes with what else is asked for.",
            follows_the_others,
        ),
    ),
    cases=(
        Case("one run", _bench(1, 1)),
        Case("one shape, three lengths", _bench(1, 3)),
        Case("three shapes, one length", _bench(3, 1)),
        Case("three shapes, four lengths", _bench(3, 4)),
        Case("runs of a few tokens", _bench(2, 2, order="short")),
        Case("lengths in any order, one twice", _bench(2, 4, order="mixed")),
    ),
)
