"""The bug hunt of chapter 11: which rule does a sampler break that only shows its draws?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from torch import Generator

from tinygpt.grading.checks.draws import dice
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law

WORDS = ("crossing", "extra", "order", "weights", "seed")
KINDS = {
    "crossing": "crossing",
    "even met": "crossing",
    "last two": "crossing",
    "extra": "extra",
    "met": "extra",
    "order": "order",
    "first": "weights",
    "last": "weights",
    "flat": "weights",
    "deaf": "seed",
    "loose": "seed",
}


@dataclass(frozen=True)
class Sampler:
    """Draws tokens at a temperature and with top-p, with known faults.

    Args:
        faults: any of "crossing" (drops the token that crosses p), "even met" (also the one that meets p
            exactly) and "last two" (of a nucleus of three or more), which go by the word "crossing"; "extra"
            (keeps one token too many) and "met" (only where p is met exactly), which go by "extra"; "order"
            (top-p before the temperature); "first", "last" and "flat" (what the cut tokens had goes to the
            likeliest kept one, to the least likely, or all kept ones are alike), which go by "weights";
            "deaf" (to its seed) and "loose" (the seed does not fix the draws), which go by "seed".
        salt: other samplers draw otherwise from the same seed.
    """

    faults: tuple[str, ...] = ()
    salt: int = 0

    def __call__(
        self, logits: Sequence[float], n: int, *, temperature: float = 1.0, top_p: float = 1.0, seed: int = 0
    ) -> list[int]:
        """n tokens: the temperature comes first, then top-p, then draws in proportion."""
        if temperature <= 0 or not 0 < top_p <= 1 or n < 0:
            raise ValueError("wanted a temperature above 0, top_p in (0, 1] and n of 0 or more.")
        logits = np.asarray(logits, dtype=float)
        tempered = _softmax(logits / temperature)
        kept = self._nucleus(_softmax(logits) if "order" in self.faults else tempered, top_p)
        weights = self._weights(tempered, kept)
        return self._stream(seed).choice(len(logits), size=n, p=weights).tolist()

    def _nucleus(self, probs: np.ndarray, p: float) -> np.ndarray:
        """The kept tokens, the likeliest first."""
        ordered = np.argsort(-probs, kind="stable")
        total = np.cumsum(probs[ordered])
        n = int((total < p).sum()) + 1
        met = n <= len(total) and total[n - 1] == p
        if p < 1:
            n -= "crossing" in self.faults and not met
            n -= "even met" in self.faults
            n -= 2 * ("last two" in self.faults and n > 2)
        n += "extra" in self.faults or ("met" in self.faults and bool(met))
        return ordered[: max(n, 1)]

    def _weights(self, probs: np.ndarray, kept: np.ndarray) -> np.ndarray:
        weights = np.zeros_like(probs)
        weights[kept] = 1.0 if "flat" in self.faults else probs[kept]
        if "first" in self.faults:
            weights[kept[0]] += 1 - weights.sum()
        if "last" in self.faults:
            weights[kept[-1]] += 1 - weights.sum()
        weights = weights.clip(min=0)
        return weights / weights.sum()

    def _stream(self, seed: int) -> np.random.Generator:
        if "loose" in self.faults:
            return np.random.default_rng()
        return np.random.default_rng([0 if "deaf" in self.faults else seed, self.salt])


def _softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits - logits.max())
    return weights / weights.sum()


def faults_oracle(sampler: Sampler) -> list[str]:
    """The truth, known from how the sampler was made."""
    found = {KINDS[fault] for fault in sampler.faults}
    return [word for word in WORDS if word in found]


def faults_attempt(
    sampler: Sampler,
    *,
    crossing: str = "uneven",
    extra: str = "uneven and met",
    order: str = "hot",
    weights: str = "shape",
    seed: str = "both",
    always: str = "",
    never: str = "",
    one: bool = False,
    reverse: bool = False,
) -> list[str]:
    """Five experiments with a knob for each known way to go wrong."""
    ways = {"crossing": crossing, "extra": extra, "order": order, "weights": weights, "seed": seed}
    found = {word: _finds(word, way, sampler) for word, way in ways.items()}
    words = [word for word in WORDS if (found[word] or word == always) and word != never]
    return words[:1] if one else words[::-1] if reverse else words


@lru_cache(maxsize=4096)
def _finds(word: str, way: str, sampler: Sampler) -> bool:
    """Whether an experiment finds its fault: asked once, as mistakes share most of them."""
    probes = {"crossing": CROSSING, "extra": EXTRA, "order": ORDER, "weights": WEIGHTS, "seed": SEED}
    return bool(probes[word][way](sampler))


Probe = Callable[[Sampler], bool]
UNEVEN = np.log([0.22, 0.2, 0.18, 0.16, 0.14, 0.1])  # top_p = 0.55 crosses at the third
MANY = 8000
FOUR = [0.0] * 4  # probabilities of exactly ¼: top_p = ½ is met by two tokens
SKEWED = np.log([0.96, *[0.005] * 8])
LONG = np.arange(24) * np.log(0.85)  # each token has 85 % of the one before
STEEP = np.log([0.6, 0.25, 0.1, 0.05])


def _kept(sampler: Sampler, logits: Sequence[float], p: float, temperature: float = 1.0) -> int:
    """How many tokens are ever drawn."""
    return len({*sampler(logits, 400, temperature=temperature, top_p=p)})


def _off(sampler: Sampler, logits: Sequence[float], p: float, *, first: bool = False) -> float:
    """The largest gap between a token's share of the draws and its share of the kept probability."""
    counts = Counter(sampler(logits, MANY, top_p=p))
    probs = _softmax(np.asarray(logits, dtype=float))
    total = sum(probs[token] for token in counts)
    gaps = {token: counts[token] / MANY - probs[token] / total for token in counts}
    return gaps[0] if first else max(map(abs, gaps.values()))


CROSSING: dict[str, Probe] = {
    "uneven": lambda s: _kept(s, UNEVEN, 0.55) < 3,
    "met only": lambda s: _kept(s, FOUR, 0.5) < 2,
    "by one": lambda s: _kept(s, UNEVEN, 0.55) == 2,
    "hot": lambda s: _kept(s, SKEWED, 0.5, 50.0) < 4,
}
EXTRA: dict[str, Probe] = {
    "uneven and met": lambda s: _kept(s, UNEVEN, 0.55) > 3 or _kept(s, FOUR, 0.5) > 2,
    "uneven only": lambda s: _kept(s, UNEVEN, 0.55) > 3,
    "met only": lambda s: _kept(s, FOUR, 0.5) > 2 and _kept(s, UNEVEN, 0.55) == 3,
    "hot": lambda s: _kept(s, UNEVEN, 0.55, 4.0) > 3 or _kept(s, FOUR, 0.5) > 2,
}
ORDER: dict[str, Probe] = {
    "hot": lambda s: _kept(s, SKEWED, 0.5, 50.0) < 3,
    "near": lambda s: _kept(s, STEEP, 0.9, 0.5) > 2,
    "any loss": lambda s: _kept(s, SKEWED, 0.5, 50.0) != 5,
}
WEIGHTS: dict[str, Probe] = {
    "shape": lambda s: _off(s, LONG, 0.7) > 0.03,
    "against the nucleus": lambda s: _off_nucleus(s) > 0.03,
    "likeliest": lambda s: _off(s, LONG, 0.7, first=True) > 0.03,
    "alike": lambda s: _alike(s),
}
SEED: dict[str, Probe] = {
    "both": lambda s: _seeded(s, 1) != _seeded(s, 1) or _seeded(s, 1) == _seeded(s, 2),
    "same": lambda s: _seeded(s, 1) != _seeded(s, 1),
    "other": lambda s: _seeded(s, 1) == _seeded(s, 2),
}


def _seeded(sampler: Sampler, seed: int) -> list[int]:
    return sampler([0.0] * 8, 100, seed=seed)


def _off_nucleus(sampler: Sampler) -> float:
    """The gap from what a sound nucleus would give."""
    sound = Sampler()
    kept = sound._nucleus(_softmax(LONG), 0.7)
    probs = sound._weights(_softmax(LONG), kept)
    counts = Counter(sampler(LONG, MANY, top_p=0.7))
    return max(abs(counts[token] / MANY - probs[token]) for token in range(len(probs)))


def _alike(sampler: Sampler) -> bool:
    counts = Counter(sampler(LONG, MANY, top_p=0.7))
    return max(counts.values()) < 1.3 * min(counts.values())


def accuses_a_sound_sampler(call: Call, args: tuple, got: list[str]) -> bool:
    return any(call(Sampler(salt=salt)) for salt in range(3))


def invents(call: Call, args: tuple, got: list[str]) -> bool:
    return bool(set(got) - set(WORDS))


def _sampler(*faults: str) -> Callable[[Generator], tuple]:
    return lambda g: (Sampler(faults, dice(g).randrange(10**6)),)


def _any(*words: str) -> Callable[[Generator], tuple]:
    """One of the faults that go by each of these words."""

    def draw(g: Generator) -> tuple:
        rng = dice(g)
        ways = {word: [fault for fault, kind in KINDS.items() if kind == word] for word in words}
        return (Sampler(tuple(rng.choice(ways[word]) for word in words), rng.randrange(10**6)),)

    return draw


NEVER_FOUND = {
    "crossing": "Choose logits of which you know how many tokens the nucleus has, and count those drawn.",
    "extra": "Choose logits of which you know how many tokens the nucleus has, and count those drawn.",
    "order": "A very high temperature makes nearly all tokens alike: how many should p = ½ then keep?",
    "weights": "Let top-p cut much, draw often, and compare the shares of kept tokens with those they had.",
    "seed": "Draw twice with one seed, and with two.",
}
ALWAYS_ACCUSED = {
    "crossing": "The fewest tokens that reach p stay, and no more are wanted.",
    "extra": "The token that crosses p belongs to the nucleus.",
    "order": "The temperature comes first, so a high one leaves more tokens, and a low one fewer.",
    "weights": "Shares scatter: those of twenty thousand draws by less than a hundredth.",
    "seed": "One seed gives the same draws, and another one others.",
}
sampler_faults = Exercise(
    name="sampler_faults",
    arguments=("sampler",),
    returns="a list of words",
    reference=faults_oracle,
    attempt=faults_attempt,
    faults=(
        Fault(
            "crossing only where p is met",
            "You look for a missing token where p is met exactly. Most samplers that drop one do so where it "
            "*crosses* p: choose probabilities whose sums miss p.",
            {"crossing": "met only"},
        ),
        Fault(
            "crossing only by one",
            "You look for a nucleus that is short by exactly one, or choose one of two tokens. One sampler "
            "drops the last two of three or more: choose such a nucleus, and take any that is short.",
            {"crossing": "by one"},
        ),
        Fault(
            "crossing at a high temperature",
            "You count tokens at a high temperature. A sampler that cuts first then keeps few of them too. "
            "Count at temperature 1, where the order makes no difference.",
            {"crossing": "hot"},
        ),
        Fault(
            "extra only where p is crossed",
            "You miss the sampler that keeps one too many only where p is met exactly. Equal logits have "
            "probabilities without rounding: four of them, and p = ½.",
            {"extra": "uneven only"},
        ),
        Fault(
            "extra only where p is met",
            "You look where p is met exactly, and there alone. Some samplers keep one too many everywhere.",
            {"extra": "met only"},
        ),
        Fault(
            "extra at another temperature",
            "You count tokens at a temperature other than 1, where more belong to the nucleus. Count at 1.",
            {"extra": "hot"},
        ),
        Fault(
            "order told from one token",
            "You tell the order from one token more or less, which a sampler with another fault keeps or "
            "drops too. Choose a temperature at which the two orders differ by several tokens.",
            {"order": "near"},
        ),
        Fault(
            "order told from one token",
            'You answer "order" at any other number of tokens than expected. The sampler may have dropped '
            "one for another reason: set the line between the two orders, well away from both.",
            {"order": "any loss"},
        ),
        Fault(
            "shares of another nucleus",
            "You compare shares with those of the right nucleus. Where the nucleus is wrong all shares "
            "differ, though the draws are fair: compare with the tokens that *are* kept.",
            {"weights": "against the nucleus"},
        ),
        Fault(
            "too much for the likeliest only",
            "You ask whether the likeliest token has too much. In two faulty samplers it has too little, and "
            "another token too much: compare all shares.",
            {"weights": "likeliest"},
        ),
        Fault(
            "only shares that are alike",
            "You find a sampler whose kept tokens are all alike, and not the two that give what was cut to a "
            "single token. Let top-p cut much, and compare each share with the one it should have.",
            {"weights": "alike"},
        ),
        Fault(
            "one seed only",
            "You draw twice with one seed. One sampler gives the same draws for *every* seed.",
            {"seed": "same"},
        ),
        Fault(
            "two seeds only",
            "You draw with two seeds. One sampler draws anew each time, with the same seed too.",
            {"seed": "other"},
        ),
        *(
            Fault(f"{word} never found", f'You never answer "{word}". {says}', {"never": word})
            for word, says in NEVER_FOUND.items()
        ),
        *(
            Fault(f"{word} always accused", f'Every answer has "{word}". {says}', {"always": word})
            for word, says in ALWAYS_ACCUSED.items()
        ),
        Fault("one fault only", "You stop at the first fault. A sampler may have four.", {"one": True}),
        Fault(
            "another order",
            'Right words in another order: "crossing", "extra", "order", "weights", "seed".',
            {"reverse": True},
        ),
    ),
    laws=(
        Law(
            "unknown word",
            'The words are "crossing", "extra", "order", "weights" and "seed".',
            invents,
        ),
        Law(
            "a sound sampler accused",
            "A sound sampler is accused, perhaps not every time. Work out what it should answer, and how far "
            "chance may take it from there.",
            accuses_a_sound_sampler,
        ),
    ),
    cases=(
        Case("a sound sampler: the list is empty", _sampler(), times=3),
        Case("the crossing token dropped", _sampler("crossing")),
        Case("the token dropped that meets p", _sampler("even met")),
        Case("two tokens dropped", _sampler("last two")),
        Case("one token too many", _sampler("extra")),
        Case("one token too many where p is met", _sampler("met")),
        Case("top-p before the temperature", _sampler("order")),
        Case("too much for the likeliest", _sampler("first")),
        Case("too much for the last", _sampler("last")),
        Case("all kept tokens alike", _sampler("flat")),
        Case("a seed that is not heard", _sampler("deaf")),
        Case("a seed that does not fix the draws", _sampler("loose")),
        Case("too few tokens, cut too early", _any("crossing", "order"), times=3),
        Case("too many tokens, cut too early", _any("extra", "order"), times=3),
        Case("the wrong tokens, out of proportion", _any("crossing", "weights"), times=3),
        Case("too many tokens, out of proportion", _any("extra", "weights"), times=3),
        Case("four faults", _any("crossing", "order", "weights", "seed"), times=3),
        Case("four others", _any("extra", "order", "weights", "seed"), times=3),
    ),
)
