"""Constrained decoding: only tokens after which the text can still become one that matches a pattern.

A pattern is an automaton over bytes. A token is a few bytes, so from each state it leads to another state, or
nowhere: the automaton over tokens. It is worked out once, for all states and tokens together; while text is
drawn, the tokens allowed are a row of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from tinygpt.sampling.automaton import Automaton
from tinygpt.sampling.history import HistoryFilter
from tinygpt.sampling.patterns import compile_pattern

if TYPE_CHECKING:
    from jaxtyping import Bool, Int

    from tinygpt.tokenizers import Tokenizer

NEVER = 2**30


@dataclass(frozen=True, eq=False)
class TokenAutomaton:
    """A pattern as a tokenizer's tokens spell it. The last state is the end.

    Attributes:
        pattern: the regular expression.
        next: the state after each token, −1 where it may not come; states × V. State 0 is the start.
        fewest: tokens from each state to the end, the token that ends included, at least.
        end: id of the token that ends.
    """

    pattern: str
    next: Int[Tensor, "states V"]
    fewest: Int[Tensor, " states"]
    end: int

    def allowed(self, states: Int[Tensor, "*batch"], left: int = NEVER) -> Bool[Tensor, "*batch V"]:
        """The tokens that may come, if at most `left` more may be drawn, this one included."""
        following = self.next[states].long()
        return (following >= 0) & (self.fewest[following.clamp(min=0)] < max(left, 1))

    def read(self, states: Int[Tensor, "*batch"], tokens: Int[Tensor, "*batch"]) -> Int[Tensor, "*batch"]:
        """The states after a token each.

        Raises:
            ValueError: when a token may not come there.
        """
        over = (states == len(self.next) - 1) | (tokens < 0)  # what stands after the end is nothing
        following = torch.where(over, len(self.next) - 1, self.next[states, tokens.clamp(min=0)].long())
        if (following < 0).any():
            token = int(tokens[following < 0].flatten()[0])
            raise ValueError(
                f"token {token} stands where the pattern {self.pattern!r} does not allow it. Was it drawn "
                "with this filter, and is n_new the number of tokens after the prompt?"
            )
        return following


def token_automaton(pattern: str, tok: Tokenizer, *, end: int) -> TokenAutomaton:
    r"""Returns the automaton over tokens of the texts that match a pattern in full.

    Args:
        pattern: a regular expression as in `compile_pattern`, or `json_pattern()`.
        tok: whose tokens spell the texts.
        end: the token that ends a text, such as `tok.special_tokens["<|end|>"]`. It comes where a match may
            end and nowhere else; other special tokens never come.

    Raises:
        ValueError: for what is not a pattern, or when no tokens spell a match.

    Example:
        >>> from tinygpt.tokenizers import CharacterTokenizer
        >>> tok = CharacterTokenizer(characters="ab", specials=["<|end|>"])
        >>> automaton = token_automaton("ab*", tok, end=2)
        >>> automaton.allowed(torch.tensor([0, 1]))
        tensor([[ True, False, False],
                [False,  True,  True]])

    Source: Willard & Louf 2023, "Efficient Guided Generation for Large Language Models", section 3. Here
        tokens after which no match can be completed with the tokenizer's own tokens are left out.
    """
    if not 0 <= end < tok.vocab_size:
        raise ValueError(f"end must be an id from 0 to {tok.vocab_size - 1}; got {end}.")
    automaton = compile_pattern(pattern)
    words = [tok.decode_bytes([i]) for i in range(tok.vocab_size)]
    for i in (end, *tok.special_tokens.values()):
        words[i] = b""  # a token of no bytes would lead from each state to itself, for ever
    table = _walk(automaton, words)
    table = np.vstack([table, np.full_like(table[:1], -1)])
    last = len(table) - 1
    table[:-1, end] = np.where(automaton.accepts, last, -1)
    table[last, end] = last
    fewest = _distances(table, last)
    if fewest[0] == NEVER:
        raise ValueError(f"no tokens of this tokenizer spell a text that matches {pattern!r}.")
    table[fewest[table] == NEVER] = -1
    return TokenAutomaton(pattern, torch.from_numpy(table), torch.from_numpy(fewest), end)


def matching(automaton: TokenAutomaton, *, within: int | None = None) -> HistoryFilter:
    """Cuts each token after which what is drawn, the prompt aside, can no longer match the pattern.

    Give `generate` the automaton's `end` as `stop`, and let no filter before this one cut tokens: it might
    leave none of those that this one allows.

    Args:
        automaton: from `token_automaton`.
        within: the match is complete after so many tokens at most, the one that ends included. None leaves
            open whether it ever ends.

    Raises:
        ValueError: when the shortest match takes more tokens than `within`.

    Example:
        >>> from tinygpt.tokenizers import CharacterTokenizer
        >>> tok = CharacterTokenizer(characters="ab", specials=["<|end|>"])
        >>> one = matching(token_automaton("ab*", tok, end=2))
        >>> one(torch.zeros(3), torch.tensor([0, 1]))  # after "ab"
        tensor([-inf, 0., 0.])
    """
    least = int(automaton.fewest[0])
    if within is not None and within < least:
        raise ValueError(
            f"the shortest match takes {least} tokens, the one that ends included; got within={within}."
        )
    states = _Memory(automaton)

    def keep(logits: Tensor, ids: Tensor, n_new: int) -> Tensor:
        if logits.shape[-1] != automaton.next.shape[1]:
            raise ValueError(
                f"the tokenizer has {automaton.next.shape[1]} tokens; got logits of {logits.shape[-1]}."
            )
        left = NEVER if within is None else within - n_new
        allowed = automaton.allowed(states.after(ids[..., ids.shape[-1] - n_new :].cpu()), left)
        return logits.masked_fill(~allowed.to(logits.device), -math.inf)

    pattern = automaton.pattern if len(automaton.pattern) <= 30 else automaton.pattern[:29] + "…"
    return HistoryFilter(f"matching({pattern})", keep)


class _Memory:
    """States after rows of tokens; rows that went on by one token are not read from the start again."""

    def __init__(self, automaton: TokenAutomaton) -> None:
        self.automaton = automaton
        self.ids = self.states = torch.zeros(0, dtype=torch.long)

    def after(self, ids: Tensor) -> Tensor:
        unread = ids
        if torch.equal(self.ids, ids[..., :-1]):
            unread = ids[..., -1:]
        else:
            self.states = torch.zeros(ids.shape[:-1], dtype=torch.long)
        for column in unread.unbind(-1):
            self.states = self.automaton.read(self.states, column)
        self.ids = ids.clone()
        return self.states


def _walk(automaton: Automaton, words: list[bytes]) -> np.ndarray:
    """The state that each word leads to from each state, −1 for none; a word without bytes leads nowhere."""
    following, dead = automaton.next, len(automaton.next)
    following = np.vstack([np.where(following < 0, dead, following), np.full((1, 256), dead)]).astype(
        np.int32
    )
    order = sorted(range(len(words)), key=lambda i: -len(words[i]))  # the longest first: those still going
    lengths = np.array([len(words[i]) for i in order])
    at = np.repeat(np.arange(dead, dtype=np.int32)[:, None], len(words), axis=1)
    at[:, lengths == 0] = dead
    for place in range(lengths.max(initial=0)):
        going = int((lengths > place).sum())
        bytes_here = np.array([words[i][place] for i in order[:going]])
        at[:, :going] = following[at[:, :going], bytes_here]
    table = np.empty_like(at)
    table[:, order] = at
    return np.where(table == dead, -1, table)


def _distances(table: np.ndarray, last: int) -> np.ndarray:
    """Fewest tokens from each state to the last one; NEVER where there is no way."""
    targets = [np.unique(row) for row in table]
    sources = np.repeat(np.arange(len(table)), list(map(len, targets)))
    sources, targets = (part[np.concatenate(targets) >= 0] for part in (sources, np.concatenate(targets)))
    fewest = np.full(len(table), NEVER)
    fewest[last] = 0
    for distance in range(1, len(table)):
        reached = sources[fewest[targets] == distance - 1]
        fewest[reached[fewest[reached] == NEVER]] = distance
    return fewest
