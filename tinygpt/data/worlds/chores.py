"""The six classic tasks on language, each written as one sequence to read and one to write."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

from tinygpt.data.worlds.tongues import ENGLISH, ENGLISH_ORDER, FOREIGN, FOREIGN_ORDER
from tinygpt.data.worlds.vocabulary import Words

TAGS = {"1": "who", "verb": "does", "2": "whom", "preposition": "where", "3": "where"}
GOOD = {"brave", "kind", "clever", "quick", "helps", "knows", "finds", "calls"}
PLACES = ("p0", "p1", "p2", "p3", "p4", "p5")
SLIP = 0.2  # how often a step goes the other way
_SIGNS = ("<end>", "|", "=", "good", "bad", "yes", "no", "who", "does", "whom", "where", "at", "go", *PLACES)
_MOVES = ("left", "right", "stay")


class Chore(NamedTuple):
    """A question and one right answer; of some questions there are more.

    Attributes:
        kind: One of `CHORES`.
        question: What to read; its first word names the chore, and it ends with `=`.
        answer: What to write; it ends with `<end>`.
    """

    kind: str
    question: str
    answer: str


def chore(rng: random.Random, kind: str | None = None) -> Chore:
    """One question with an answer.

    | kind | question | answer |
    | --- | --- | --- |
    | classify | a sentence | `good` or `bad`: its adjectives and its verb vote, in a tie the verb decides |
    | match | a sentence, `|`, and a short one | does the second follow from the first? `yes` or `no` |
    | tag | a sentence | for each word whether it says `who`, `does`, `whom` or `where` |
    | generate | two nouns, a verb and an adjective | any sentence that has them all |
    | translate | a sentence | the same in a language that turns the order round |
    | decide | a place to `go` to, and where one was `at` so far, with the moves | the next move |

    Args:
        rng: Chooses.
        kind: Which; None chooses one of the six.

    Raises:
        ValueError: The kind is another one.

    Example:
        >>> task = chore(random.Random(0), "match")
        >>> task.question, task.answer
        ('match clever hen fears shy wolf | hen fears wolf =', 'yes <end>')
    """
    kind = rng.choice(list(CHORES)) if kind is None else kind
    if kind not in CHORES:
        raise ValueError(f"kind must be one of {', '.join(CHORES)}; got {kind!r}.")
    question, answer = CHORES[kind](rng)
    return Chore(kind, f"{kind} {question} =", f"{answer} <end>")


def chore_score(task: Chore, answer: str) -> float:
    """How good an answer is, from 0 to 1.

    `tag`: the share of the words with the right tag. `generate`: 1 for any grammatical sentence with all the
    words asked for, whatever else it says. The others: 1 if the answer is right, word for word.

    Args:
        task: The question.
        answer: What was written, up to and without `<end>` or with it.

    Example:
        >>> task = chore(random.Random(0), "tag")
        >>> task.answer, chore_score(task, "who who who who who")
        ('who who does whom whom <end>', 0.4)
    """
    given = answer.split("<end>")[0].split()
    right = task.answer.split()[:-1]
    if task.kind == "generate":
        return float(_is_sentence(given) and set(task.question.split()[1:-1]) <= set(given))
    if task.kind == "tag":
        hits = sum(a == b for a, b in zip(given, right))  # noqa: B905 too short or long is no error
        return hits / max(len(given), len(right))
    return float(given == right)


def walk(policy: Callable[[str], str], rng: random.Random) -> bool:
    """Lets a policy walk: whether each of its moves was the right one until it stood at the place to go to.

    Places lie in a row. A step goes the other way with probability 0.2, so moves cannot be planned ahead.

    Args:
        policy: The question of a `decide` chore → a move.
        rng: Chooses where from and where to, and the slips.

    Example:
        >>> walk(lambda question: "stay", random.Random(0))
        False
    """
    goal, place = rng.sample(range(len(PLACES)), 2)
    path = f"decide go {PLACES[goal]} at {PLACES[place]}"
    for _ in range(LONGEST):
        move = policy(f"{path} =").split("<end>")[0].strip()
        if move != _move(goal, place):
            return False
        if move == "stay":
            return True
        place = _step(rng, move, place)
        path = f"{path} {move} at {PLACES[place]}"
    return True


# A sentence is its words by slot, as in the two tongues.
Sentence = dict[str, str]
LONGEST = 6  # moves that a question can hold


def _sentence(rng: random.Random) -> Sentence:
    where = rng.random() < 0.5
    slots: Sentence = {}
    for slot in ENGLISH_ORDER:
        optional = slot.startswith("adjective")
        if (where or slot not in ("preposition", "adjective3", "noun3")) and not (
            optional and rng.random() < 0.5
        ):
            slots[slot] = rng.choice(ENGLISH[slot.rstrip("123")])
    return slots


def _text(sentence: Sentence) -> str:
    return " ".join(sentence[slot] for slot in ENGLISH_ORDER if slot in sentence)


def _classify(rng: random.Random) -> tuple[str, str]:
    sentence = _sentence(rng)
    words = [word for slot, word in sentence.items() if slot.startswith(("adjective", "verb"))]
    votes = sum(1 if word in GOOD else -1 for word in [*words, *[sentence["verb"]] * (len(words) % 2 == 0)])
    return _text(sentence), "good" if votes > 0 else "bad"


def _match(rng: random.Random) -> tuple[str, str]:
    sentence = _sentence(rng)
    who, does, whom = sentence["noun1"], sentence["verb"], sentence["noun2"]
    if rng.random() < 0.5:
        one, other = rng.choice(ENGLISH["noun"]), rng.choice(ENGLISH["verb"])
        changed = [(whom, does, who), (one, does, whom), (who, does, one), (who, other, whom)]
        who, does, whom = rng.choice(changed)
    same = (who, does, whom) == (sentence["noun1"], sentence["verb"], sentence["noun2"])
    return f"{_text(sentence)} | {who} {does} {whom}", "yes" if same else "no"


def _tag(rng: random.Random) -> tuple[str, str]:
    sentence = _sentence(rng)
    tags = [TAGS.get(slot) or TAGS[slot[-1]] for slot in ENGLISH_ORDER if slot in sentence]
    return _text(sentence), " ".join(tags)


def _generate(rng: random.Random) -> tuple[str, str]:
    sentence = {"adjective1": rng.choice(ENGLISH["adjective"])} | _sentence(rng)
    asked = [sentence[slot] for slot in ("noun1", "noun2", "verb", "adjective1")]
    rng.shuffle(asked)
    return " ".join(asked), _text(sentence)


def _translate(rng: random.Random) -> tuple[str, str]:
    sentence = _sentence(rng)
    words = [(slot.rstrip("123"), sentence[slot]) for slot in FOREIGN_ORDER if slot in sentence]
    return _text(sentence), " ".join(FOREIGN[kind][ENGLISH[kind].index(word)] for kind, word in words)


def _decide(rng: random.Random) -> tuple[str, str]:
    goal, place = rng.sample(range(len(PLACES)), 2)
    path = f"go {PLACES[goal]} at {PLACES[place]}"
    for _ in range(rng.randrange(LONGEST)):
        if place == goal:
            break
        move = _move(goal, place)
        place = _step(rng, move, place)
        path = f"{path} {move} at {PLACES[place]}"
    return path, _move(goal, place)


def _move(goal: int, place: int) -> str:
    return "stay" if goal == place else "right" if goal > place else "left"


def _step(rng: random.Random, move: str, place: int) -> int:
    step = (1 if move == "right" else -1) * (-1 if rng.random() < SLIP else 1)
    return min(max(place + step, 0), len(PLACES) - 1)


def _is_sentence(words: list[str]) -> bool:
    """Whether they fill the slots in order: (adjective) noun verb (adjective) noun, and perhaps where."""
    kinds = [next((kind for kind in ENGLISH if word in ENGLISH[kind]), "?") for word in words]
    left = iter([*kinds, "."])
    kind = next(left)
    for slot in ("noun", "verb", "noun", "preposition", "noun"):
        if slot == "preposition" and kind == ".":
            return True
        if slot == "noun" and kind == "adjective":
            kind = next(left)
        if kind != slot:
            return False
        kind = next(left)
    return kind == "."


CHORES: dict[str, Callable[[random.Random], tuple[str, str]]] = {
    "classify": _classify,
    "match": _match,
    "tag": _tag,
    "generate": _generate,
    "translate": _translate,
    "decide": _decide,
}
CHORES_WORDS = Words((*_SIGNS, *_MOVES, *CHORES, *sum(ENGLISH.values(), ()), *sum(FOREIGN.values(), ())))
