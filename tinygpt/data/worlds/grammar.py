"""Where a text leaves Brambleford: the first word that no document of the village has there."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from tinygpt.data.worlds.lexicon import SENTENCES, WORDS
from tinygpt.data.worlds.village import (
    ANIMALS,
    COLOURS,
    FOODS,
    LARGEST_SUM,
    LENGTHS,
    OBJECTS,
    PEOPLE,
    PLACES,
    RELATIONS,
    STRANGERS,
    VALUES,
    VOICES,
    brambleford_facts,
)  # fmt: skip

Words = Sequence[str]
Slots = dict[str, str]
Rest = list[str] | None  # words after what was read; None if they ended in the middle of it
STORY = {
    "hero": PEOPLE + STRANGERS, "friend": PEOPLE + STRANGERS, "animal": ANIMALS, "other": ANIMALS,
    "trait": WORDS["traits"], "place": PLACES, "time": WORDS["times"], "colour": COLOURS, "object": OBJECTS,
}  # fmt: skip
DIFFERENT = {"friend": "hero", "other": "animal"}


def first_mistake(text: str, ended: bool = False) -> int | None:
    """The number of the first word that makes a text impossible in Brambleford; None if there is none.

    A text is a possible beginning if some document of `brambleford` begins with it. That asks for more than
    grammar: sums must be right, facts about people true, answers what the note said, lists repeated exactly.

    Args:
        text: A beginning of a document in English, words between spaces.
        ended: Whether the text claims to be a whole document; stopping too early is a mistake at its end.

    Returns:
        A number from 0 to the number of words, or None.

    Example:
        >>> first_mistake("0 3 + 1 2 = 1 6 . 0 0")
        7
        >>> first_mistake("0 3 + 1 2 = 1 5 . 0 0") is None
        True
        >>> first_mistake("0 3 + 1 2 = 1 5 .", ended=True)
        9
    """
    words = text.split()
    if _fits(words, whole=ended):
        return None
    # Once wrong, always wrong; where every beginning fits, it is the end that came too early.
    return bisect_left(range(1, len(words) + 1), True, key=lambda n: not _fits(words[:n], whole=False))


def _fits(words: list[str], whole: bool) -> bool:
    """Whether some document is these words, or begins with them."""
    kinds = (_story, _bio, _note, _sums, _lists, _voices)
    return any(rest == [] or (rest is None and not whole) for kind in kinds for rest in kind(words))


def _read(
    words: list[str], sentence: str, slots: Slots, choices: Mapping[str, Words]
) -> Iterator[tuple[Rest, Slots]]:
    """Reads a sentence in each wording that fits; yields what is left, and the slots as now filled."""
    for form in SENTENCES[sentence]:
        pattern, filled = form[0].split(), dict(slots)
        if all(_same(part, word, filled, choices) for part, word in zip(pattern, words, strict=False)):
            yield (words[len(pattern) :] if len(words) >= len(pattern) else None), filled


def _same(part: str, word: str, slots: Slots, choices: Mapping[str, Words]) -> bool:
    """Whether a word may stand where the pattern has this part; fills the slot that it names."""
    if not part.startswith("{"):
        return part == word
    name = part[1:-1]
    if name not in slots and word in choices[name] and word != slots.get(DIFFERENT.get(name, "")):
        slots[name] = word
    return slots.get(name) == word


def _story(words: list[str]) -> Iterator[Rest]:
    for ending, feelings in (("good", "glad"), ("bad", "sorry")):
        choices = {**STORY, "feeling": WORDS[feelings]}
        yield from _sequence(words, ("hero", "find", ending, "end"), {}, choices)


def _sequence(words: Rest, sentences: Words, slots: Slots, choices: Mapping[str, Words]) -> Iterator[Rest]:
    if not sentences or not words:
        yield None if sentences else words
        return
    for rest, filled in _read(words, sentences[0], slots, choices):
        yield from _sequence(rest, sentences[1:], filled, choices)


def _bio(words: Rest, told: Words = (), person: Slots | None = None) -> Iterator[Rest]:
    if not words:
        yield None
        return
    last = len(told) == 3
    for relation in RELATIONS:
        if last or relation not in told:
            sentence = f"ask {relation}" if last else relation
            choices = {"name": PEOPLE, "value": VALUES[relation]}
            for rest, slots in _read(words, sentence, person or {}, choices):
                if any(_agree(slots, name, facts[relation]) for name, facts in brambleford_facts().items()):
                    named = {"name": slots["name"]} if "name" in slots else {}
                    yield from [rest] if last else _bio(rest, (*told, relation), named)


def _agree(slots: Slots, name: str, value: str) -> bool:
    return slots.get("name", name) == name and slots.get("value", value) == value


def _note(words: list[str]) -> Iterator[Rest]:
    for rest, _ in _read(words, "note", {}, {}):
        yield from _note_facts(rest, ())


def _note_facts(words: Rest, facts: tuple[tuple[str, str, str], ...]) -> Iterator[Rest]:
    if len(facts) == 3:
        yield from _note_questions(words, facts, 2)
        return
    if not words:
        yield None
        return
    strangers = [name for name in STRANGERS if name not in {told for told, _, _ in facts}]
    for relation in RELATIONS:
        for rest, slots in _read(words, relation, {}, {"name": strangers, "value": VALUES[relation]}):
            if rest is None:
                yield None
            else:
                yield from _note_facts(rest, (*facts, (slots["name"], relation, slots["value"])))


def _note_questions(words: Rest, facts: tuple[tuple[str, str, str], ...], left: int) -> Iterator[Rest]:
    if not words or not left:
        yield None if left else words
        return
    for name, relation, value in facts:
        for rest, _ in _read(words, f"ask {relation}", {"name": name, "value": value}, {}):
            yield from _note_questions(rest, facts, left - 1)


@lru_cache(maxsize=1)
def _sum_starts() -> frozenset[tuple[str, ...]]:
    """Every right sum, and every beginning of one."""
    numbers = [(a, c - a, c) for c in range(LARGEST_SUM + 1) for a in range(c + 1)]
    digits = [[" ".join(f"{n:02d}") for n in abc] for abc in numbers]
    sums = [SENTENCES["sum"][0][0].format(a=a, b=b, c=c).split() for a, b, c in digits]
    return frozenset(tuple(words[:n]) for words in sums for n in range(len(words) + 1))


def _sums(words: list[str]) -> Iterator[Rest]:
    length = max(map(len, _sum_starts()))
    parts = [tuple(words[i * length : (i + 1) * length]) for i in range(3)]
    if all(part in _sum_starts() for part in parts):
        yield words[3 * length :] if len(words) >= 3 * length else None


def _lists(words: list[str]) -> Iterator[Rest]:
    said = words[2 : words.index(".")] if "." in words else words[2:]
    if any(word not in OBJECTS + ANIMALS + FOODS + COLOURS for word in said) or len(said) > max(LENGTHS):
        return
    if "." not in words:
        yield from [None] if words[:2] == ["list", ":"][: len(words)] else []
    elif len(said) in LENGTHS:
        start = ["list", ":", *said, ".", "again", ":", *said, "."]
        for end in ([], ["first", ":", said[0], "."], ["last", ":", said[-1], "."]):
            if words == [*start, *end][: len(words)]:
                yield None if len(words) < len(start) + len(end) else []


def _voices(words: Rest, left: int = 2) -> Iterator[Rest]:
    if not words or not left:
        yield None if left else words
        return
    for voice in VOICES:
        for rest, _ in _read(words, voice, {}, STORY):
            yield from _voices(rest, left - 1)
