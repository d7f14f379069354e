"""Speculative decoding: a cheap draft guesses several tokens, and the model checks them in one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from tinygpt.models import GPT, uncompiled
from tinygpt.sampling.draws import Draws, landed, probabilities
from tinygpt.sampling.fast import FastModel
from tinygpt.sampling.history import HistoryFilter
from tinygpt.sampling.pipeline import Filter, apply
from tinygpt.sampling.prompts import read_prompts
from tinygpt.sampling.rewinding import Reading
from tinygpt.sampling.rounds import looped, sharpness
from tinygpt.sampling.stopping import Stop

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from tinygpt.tokenizers import Tokenizer

Lookup = Callable[[Tensor, int], Tensor]


class Speculation(NamedTuple):
    """A text, and how its tokens came about.

    Attributes:
        ids: the prompt and the new tokens.
        proposed: tokens that the draft guessed.
        accepted: guesses that were taken.
        rounds: passes of the model; each also gave one token that was not guessed.
    """

    ids: Int[Tensor, " T"]
    proposed: int
    accepted: int
    rounds: int

    @property
    def acceptance(self) -> float:
        """The share of guesses that was taken; NaN when there were none."""
        return self.accepted / self.proposed if self.proposed else float("nan")


def speculative(
    model: GPT | FastModel,
    draft: GPT | FastModel | Lookup,
    prompt: Sequence[int] | Tensor,
    *,
    n_drafted: int = 4,
    max_new_tokens: int = 100,
    filters: Iterable[Filter] = (),
    seed: int | None = None,
    stop: Iterable[int | str] = (),
    tok: Tokenizer | None = None,
) -> Speculation:
    """Continues one prompt with text distributed as that of `generate`, in fewer passes of the model.

    In each round the draft says some tokens, each drawn from its distribution q. The model reads all of them
    in one pass, which gives its own distribution p at every one. A token x is taken with probability
    min(1, p(x) / q(x)). The first one that is not is replaced by one drawn from max(p − q, 0), scaled to sum
    to 1, and those after it are dropped. When all are taken, one more is drawn from p.

    Args:
        model: what the text is to be from.
        draft: a smaller model with the same vocabulary, or a function such as `prompt_lookup()` of all tokens
            so far and a number n, which returns up to n tokens that may follow: there q is 1.
        prompt: ids of one sequence.
        n_drafted: tokens that are drafted in a round, at most.
        max_new_tokens, filters, seed, stop, tok: as for `generate`. Filters change both p and q. A seed gives
            other tokens than `generate` draws, of the same distribution; with `greedy()` they are the same,
            but where two logits differ by no more than rounding.

    Returns:
        A `Speculation`: the ids, and how many tokens were proposed and accepted, in how many rounds.

    Raises:
        ValueError: for a batch, another vocabulary, `n_drafted` below 1, and as in `generate`.

    Example:
        >>> from tinygpt.models import GPTConfig
        >>> model = GPT(GPTConfig(vocab_size=16, n_layers=2, d_model=16), seed=0)
        >>> draft = GPT(GPTConfig(vocab_size=16, n_layers=1, d_model=16), seed=0)
        >>> found = speculative(model, draft, [1, 2, 3], max_new_tokens=8, seed=0)
        >>> found.ids.shape, found.rounds <= 8
        (torch.Size([11]), True)

    Source: Leviathan, Kalman & Matias 2023, algorithm 1; Chen et al. 2023, algorithm 2.
    """
    prompts = read_prompts(prompt, model)
    _check(model, draft, len(prompts.rows), n_drafted, max_new_tokens)
    ids, ends, filters = prompts.rows[0], Stop.of(stop, tok, 1), tuple(filters)
    draws, sharp = Draws(seed, 1, model.device), sharpness(filters)
    back, packed = getattr(draft, "back", 0), isinstance(draft, FastModel)
    if isinstance(model, FastModel) and (packed or back) and sharp is not None and not ends.texts:
        way = dict(n_drafted=n_drafted, back=back, sharp=sharp, draws=draws, stops=ends.ids)
        return Speculation(*looped(model, draft if packed else None, ids, max_new_tokens, **way))
    chances = _Chances(filters, len(ids), draws)
    end = len(ids) + max_new_tokens
    target = Reading(model, min(model.config.context, end))
    guess = _guesser(draft, chances, model.config.vocab_size, end)
    proposed = accepted = rounds = 0
    going = len(ids) < end
    while going:
        room = target.begin(len(ids))
        guesses, q = guess(ids, min(n_drafted, room, end - len(ids) - 1))
        logits = target.logits(torch.cat([ids, guesses]), len(guesses) + 1)
        new = chances.judged(ids, guesses, q, logits)
        proposed, accepted, rounds = proposed + len(guesses), accepted + len(new) - 1, rounds + 1
        for token in new:
            ids = torch.cat([ids, token])
            going = len(ids) < end and not (ends and bool(ends.heard(token)))
            if not going:
                break
        target.rewind(len(ids) - 1)
    return Speculation(ids, proposed, accepted, rounds)


def prompt_lookup(n: int = 2) -> Lookup:
    """Returns a draft without a model: what followed the last n tokens when they last came.

    Args:
        n: at least 1. The more, the rarer the guesses, and the better.

    Example:
        >>> prompt_lookup(2)(torch.tensor([1, 2, 3, 4, 1, 2]), 2)  # 1, 2 has come
        tensor([3, 4])

    Source: Saxena 2023, "Prompt lookup decoding".
    """
    if n < 1:
        raise ValueError(f"prompt_lookup needs at least 1 token to look for; got {n}.")

    def guesses(ids: Tensor, most: int) -> Tensor:
        if len(ids) <= n:
            return ids[:0]
        came = (ids[:-1].unfold(0, n, 1) == ids[-n:]).all(dim=1).nonzero()
        return ids[int(came[-1]) + n :][:most] if len(came) else ids[:0]

    guesses.back = n  # by which the compiled loops know it
    return guesses


def chance(p: Float[Tensor, "*shape"], q: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Returns how likely a guess that was drawn with probability q is taken: min(1, p / q)."""
    return (p / q).clamp(max=1)


def leftover(p: Float[Tensor, " V"], q: Float[Tensor, " V"]) -> Float[Tensor, " V"]:
    """Returns what a refused guess is replaced from: max(p − q, 0), scaled to sum to 1.

    Example:
        >>> leftover(torch.tensor([0.5, 0.5, 0.0]), torch.tensor([0.25, 0.25, 0.5]))
        tensor([0.5000, 0.5000, 0.0000])
    """
    rest = (p - q).clamp(min=0)
    total = rest.sum()
    return rest / total if total > 0 else p  # equal, but for rounding


class _Chances:
    """Distributions after the filters, and what is drawn from them."""

    def __init__(self, filters: tuple[Filter, ...], n_prompt: int, draws: Draws) -> None:
        self.filters, self.n_prompt, self.draws = filters, n_prompt, draws
        self.look_back = any(isinstance(one, HistoryFilter) for one in filters)

    def after(self, ids: Tensor, logits: Float[Tensor, "1 V"]) -> Float[Tensor, "1 V"]:
        return probabilities(apply(self.filters, logits, ids[None], len(ids) - self.n_prompt))

    def drawn(self, weights: Float[Tensor, "1 V"]) -> Int[Tensor, " 1"]:
        return landed(weights, self.draws.next())

    def judged(
        self, ids: Tensor, guesses: Tensor, q: list[Tensor], logits: Float[Tensor, "n V"]
    ) -> list[Int[Tensor, " 1"]]:
        """The guesses that are taken, and one token more."""
        new = []
        for guess, q_here, row in zip(guesses[:, None], q, logits[:-1, None], strict=True):
            p = self.after(
                torch.cat([ids, *new]), row
            )  # no sooner: a filter may know no way after a bad guess
            if self.draws.next() >= chance(p[:, guess], q_here[:, guess]):
                return [*new, self.drawn(leftover(p[0], q_here[0])[None])]
            new.append(guess)
        return [*new, self.drawn(self.after(torch.cat([ids, *new]), logits[-1:]))]


def _guesser(
    draft: GPT | FastModel | Lookup, chances: _Chances, n_tokens: int, end: int
) -> Callable[[Tensor, int], tuple[Tensor, list[Tensor]]]:
    """A function of all tokens so far and a number: so many guesses at most, and q at each of them."""
    if not _is_model(draft):
        return partial(_looked_up, draft, n_tokens)
    reading = Reading(draft, min(draft.config.context, end))

    def guesses(ids: Tensor, most: int) -> tuple[Tensor, list[Tensor]]:
        before, q = len(ids), []
        reading.rewind(before - 1)
        for _ in range(min(most, reading.begin(before) + 1)):
            q.append(chances.after(ids, reading.logits(ids)))
            ids = torch.cat([ids, chances.drawn(q[-1])])
        return ids[before:], q

    return guesses


def _looked_up(draft: Lookup, n_tokens: int, ids: Tensor, most: int) -> tuple[Tensor, list[Tensor]]:
    guesses = draft(ids, most)[:most]
    return guesses, [q[None] for q in F.one_hot(guesses, n_tokens).float()]


def _is_model(draft: object) -> bool:
    return isinstance(draft, FastModel) or isinstance(uncompiled(draft), GPT)


def _check(model: GPT | FastModel, draft: object, n_rows: int, n_drafted: int, n_new: int) -> None:
    if n_rows > 1:
        raise ValueError(f"speculative continues one prompt; got {n_rows}. Call it for each.")
    if n_drafted < 1 or n_new < 0:
        raise ValueError(
            f"n_drafted must be at least 1 and max_new_tokens 0 or more; got {n_drafted} and {n_new}."
        )
    if _is_model(draft) and draft.config.vocab_size != model.config.vocab_size:
        raise ValueError(
            f"the draft has {draft.config.vocab_size} tokens and the model {model.config.vocab_size}. "
            "Take a draft with the model's tokenizer."
        )
