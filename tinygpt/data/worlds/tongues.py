"""Two languages with the same meanings and another word order, for learning to translate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from tinygpt.data.stream import Stream

if TYPE_CHECKING:
    from jaxtyping import Bool, Int64
    from torch import Tensor

LEXICON = {
    "noun": "fox kesu hen olpa goat rimo cat tavi dog beno crow ulka duck sipo frog dwela hare momi mole "
    "garu pig felo toad nuri wolf zaka bear hulo bee ciri mouse pato",
    "adjective": "small lin brave dor lazy muk kind fen proud zel quick tas clever hob shy wip",
    "verb": "sees vidar follows sekar helps aydar hears ozar fears temar knows sabar finds halar calls namar",
    "preposition": "near apo behind tras above supo under suto",
}
PAD, START, END = 0, 1, 2
ENGLISH = {kind: tuple(pairs.split()[::2]) for kind, pairs in LEXICON.items()}
FOREIGN = {kind: tuple(pairs.split()[1::2]) for kind, pairs in LEXICON.items()}
TONGUES_WORDS = (
    "<pad>",
    "<start>",
    "<end>",
    *sum(ENGLISH.values(), ()),
    *sum(FOREIGN.values(), ()),
    "<blank>",
)
BLANK = len(TONGUES_WORDS) - 1
TASKS = ("translate", "fill", "continue")
ENGLISH_ORDER = ("adjective1", "noun1", "verb", "adjective2", "noun2", "preposition", "adjective3", "noun3")
FOREIGN_ORDER = ("noun3", "adjective3", "preposition", "noun1", "adjective1", "noun2", "adjective2", "verb")
SLOTS = len(ENGLISH_ORDER)
OPTIONAL = ("adjective1", "adjective2", "adjective3")
_IDS = {word: i for i, word in enumerate(TONGUES_WORDS)}
_SHIFT = len(sum(ENGLISH.values(), ()))


class Translations(NamedTuple):
    """A batch of sentence pairs, padded with 0 at the end.

    Attributes:
        source: Ids of the English words, B S.
        inputs: A start token and the foreign words, B T.
        targets: The foreign words and an end token; −100 where there is nothing to predict, B T.
        padding: Where the source has no word, B S.
        alignment: For each target the place in the source of the word that it translates, or −1, B T.
    """

    source: Int64[Tensor, "B S"]
    inputs: Int64[Tensor, "B T"]
    targets: Int64[Tensor, "B T"]
    padding: Bool[Tensor, "B S"]
    alignment: Int64[Tensor, "B T"]


def translations(batch_size: int, seed: int = 0, task: str = "translate") -> Stream[Translations]:
    """Sentences in a small English and the same in a language that turns the order round.

    English says adjective noun verb adjective noun, and where: preposition adjective noun. The other language
    says where first, with the preposition behind it, then noun adjective, noun adjective, verb. Every word
    has one translation, so the best possible loss is 0; each adjective, and the where, is there half of the
    time.

    Args:
        batch_size: Pairs per batch, at least 1.
        seed: Chooses the sentences; batch i is a function of (seed, i).

    Raises:
        ValueError: batch_size is below 1.

    Example:
        >>> batch = translations(batch_size=1, seed=3)[0]
        >>> tongues_text(batch.source[0])
        'clever hen follows fox near lazy duck'
        >>> tongues_text(batch.inputs[0])
        'sipo muk apo olpa hob kesu sekar'
        >>> batch.alignment[0].tolist()
        [6, 5, 4, 1, 0, 3, 2, -1, -1]
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1; got {batch_size}.")
    if task not in TASKS:
        raise ValueError(f"task must be one of {', '.join(TASKS)}; got {task!r}.")

    def make(i: int) -> Translations:
        rng = np.random.default_rng((seed, i))
        batch = _batch(_draw(rng, batch_size))
        return _filled(batch, rng) if task == "fill" else _begun(batch) if task == "continue" else batch

    return Stream(make)


def tongues_text(ids: Sequence[int] | Tensor) -> str:
    """The words of a sentence, without padding, start and end."""
    return " ".join(TONGUES_WORDS[i] for i in map(int, ids) if i > END)


def _draw(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    """The English word's id for each slot, n of each; 0 where the slot is empty."""
    words = {}
    for slot in ENGLISH_ORDER:
        choices = [_IDS[word] for word in ENGLISH[slot.rstrip("123")]]
        words[slot] = rng.choice(choices, size=n)
        if slot in OPTIONAL:
            words[slot] *= rng.random(n) < 0.5
    where = rng.random(n) < 0.5
    for slot in ("preposition", "adjective3", "noun3"):
        words[slot] *= where
    return words


def _batch(words: dict[str, np.ndarray]) -> Translations:
    english = np.stack([words[slot] for slot in ENGLISH_ORDER], axis=1)
    order = [ENGLISH_ORDER.index(slot) for slot in FOREIGN_ORDER]
    foreign = english[:, order]
    place = np.where(english > 0, np.cumsum(english > 0, axis=1) - 1, -1)[:, order]
    source = _leftwards(english, PAD)
    target = _leftwards(np.where(foreign > 0, foreign + _SHIFT, PAD), PAD)
    n, column = len(target), np.arange(SLOTS + 1)
    length = (target != PAD).sum(1, keepdims=True)
    targets = np.where(column < length, np.pad(target, ((0, 0), (0, 1))), -100)
    targets[column == length] = END
    inputs = np.concatenate([np.full((n, 1), START), target], axis=1)
    alignment = np.pad(_leftwards(place, -1), ((0, 0), (0, 1)), constant_values=-1)
    parts = [torch.from_numpy(part.astype(np.int64)) for part in (source, inputs, targets, alignment)]
    return Translations(*parts[:3], parts[0] == PAD, parts[3])


def _filled(batch: Translations, rng: np.random.Generator) -> Translations:
    """Both sentences as the source, with one word blank; the target is that word."""
    both = torch.cat([batch.source, batch.inputs], dim=1)
    chance = torch.from_numpy(rng.random(both.shape)).masked_fill(both <= END, 0)
    at = chance.argmax(dim=1, keepdim=True)
    start, place = torch.full_like(at, START), torch.full_like(at, -1)
    return Translations(both.scatter(1, at, BLANK), start, both.gather(1, at), both == PAD, place)


def _begun(batch: Translations) -> Translations:
    """Nothing to read but a start token, so that there is only a sentence to write."""
    start = torch.full_like(batch.source[:, :1], START)
    return batch._replace(
        source=start,
        padding=torch.zeros_like(start, dtype=torch.bool),
        alignment=-torch.ones_like(batch.alignment),
    )


def _leftwards(rows: np.ndarray, empty: int) -> np.ndarray:
    """The rows with their empty places moved to the end, the others in order."""
    return np.take_along_axis(rows, np.argsort(rows == empty, axis=1, kind="stable"), axis=1)
