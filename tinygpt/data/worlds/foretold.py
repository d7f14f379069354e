"""The oracle of Brambleford: how likely each word is to come next, exactly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import torch

from tinygpt.data.worlds.plans import CHOICES, DIFFERENT, Plan, Slots, document

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from tinygpt.tokenizers import Tokenizer

END_OF_TEXT = ""


class _Branch(NamedTuple):
    """A way in which the text may go on."""

    p: float
    slots: Slots
    plan: Plan


def foretold(text: str) -> list[dict[str, float]]:
    """Returns for each place of a text of Brambleford how likely each word is there, given those before it.

    P(word | before) = Σ P(documents that begin with before + word) / Σ P(documents that begin with before)

    Args:
        text: A document in English, or its beginning, words between spaces.

    Returns:
        For each word, and for what comes after the last one, word → probability, impossible words left out;
        the word `""` is the end of the document. After a word that cannot stand where it does nothing is
        possible: the list ends with the place of that word.

    Example:
        >>> foretold("the poet said")[-1]
        {':': 1.0}
        >>> round(foretold("")[0]["once"], 3)
        0.15
    """
    branches: Iterable[_Branch] = _openings()
    places = []
    for word in text.split():
        places.append(_shares(branches))
        read = [after for branch in branches for after in _after(branch, word)]
        if not read:
            return places
        total = sum(branch.p for branch in read)
        branches = [ready for b in read for ready in _ready(b._replace(p=b.p / total))]
    return [*places, _shares(branches)]


def token_truth(text: str, tok: Tokenizer, end: int) -> Float[Tensor, "T V"]:
    """Returns the true probability of each token at each place of a text: what a perfect model would say.

    Args:
        text: As in `foretold`, without a mistake.
        tok: Splits each word, with the space before it, by itself, as the lineage's tokenizers do.
        end: The token that ends a document.

    Returns:
        Probabilities after the end token of the document before, and after each token of the text, T × V;
        T is 1 + the text's tokens.

    Raises:
        ValueError: The text has a mistake, or a token would span two words.

    Example:
        >>> from tinygpt.tokenizers import train_bpe
        >>> tok = train_bpe("the poet said : o", 260, pattern=r" ?\\S+", special_tokens=["<|end|>"])
        >>> truth = token_truth("the poet", tok, end=tok.special_tokens["<|end|>"])
        >>> truth.shape[0] == 1 + len(tok.encode("the poet")), bool((truth.sum(1) - 1).abs().max() < 1e-6)
        (True, True)
    """
    words, places = text.split(), foretold(text)
    if len(places) <= len(words):
        raise ValueError(f"Brambleford never says {words[len(places) - 1]!r} there: {text!r}.")
    rows, ids = [], []
    for i, shares in enumerate(places):
        spelt = [(_spelling(tok, word, i == 0, end), p) for word, p in shares.items()]
        said = _spelling(tok, words[i], i == 0, end) if i < len(words) else ()
        for n in range(max(1, len(said))):
            spelt = [(parts, p) for parts, p in spelt if parts[:n] == said[:n]]
            row, total = torch.zeros(tok.vocab_size), sum(p for _, p in spelt)
            for parts, p in spelt:
                row[parts[n]] += p / total
            rows.append(row)
        ids.extend(said)
    if ids != tok.encode(text):
        raise ValueError("this tokenizer joins words. Train one with a pattern that cuts before each space.")
    return torch.stack(rows)


@lru_cache(maxsize=8192)
def _spelling(tok: Tokenizer, word: str, first: bool, end: int) -> tuple[int, ...]:
    if word == END_OF_TEXT:
        return (end,)
    return tuple(tok.encode(word if first else f" {word}"))


def _shares(branches: Iterable[_Branch]) -> dict[str, float]:
    shares: Counter[str] = Counter()
    for branch in branches:
        options = _options(branch)
        for word in options:
            shares[word] += branch.p / len(options)
    return dict(shares)


@lru_cache(maxsize=1)
def _openings() -> tuple[_Branch, ...]:
    """Every way in which a document may begin: thousands, as each sum is one."""
    return tuple(_ready(_Branch(1.0, {}, (document,))))


def _ready(branch: _Branch) -> Iterator[_Branch]:
    """Takes every fork until a word or a slot comes first."""
    first = branch.plan[0] if branch.plan else END_OF_TEXT
    if isinstance(first, str):
        yield branch
        return
    for p, plan, chosen in first(branch.slots):
        slots = {**branch.slots, **chosen} if chosen else branch.slots
        yield from _ready(_Branch(branch.p * p, slots, (*plan, *branch.plan[1:])))


def _options(branch: _Branch) -> tuple[str, ...]:
    """The words of which each is as likely to come first."""
    first = branch.plan[0] if branch.plan else END_OF_TEXT
    if not first.startswith("{"):
        return (first,)
    name = first[1:-1]
    if name in branch.slots:
        return (branch.slots[name],)
    taken = [branch.slots.get(other) for other in DIFFERENT.get(name, ())]
    return tuple(word for word in CHOICES[name.partition("/")[0]] if word not in taken)


def _after(branch: _Branch, word: str) -> Iterator[_Branch]:
    options = _options(branch)
    if word in options and branch.plan:
        name = branch.plan[0][1:-1]
        slots = {**branch.slots, name: word} if len(options) > 1 else branch.slots
        yield _Branch(branch.p / len(options), slots, branch.plan[1:])
