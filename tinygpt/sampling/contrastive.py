"""Contrastive search: the likely token whose meaning is least like what has been said."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from tinygpt.models import GPT, KVCache, uncompiled
from tinygpt.sampling.pipeline import Filter, apply
from tinygpt.sampling.prompts import read_prompts

if TYPE_CHECKING:
    from jaxtyping import Int


@torch.inference_mode()
def contrastive_search(
    model: GPT,
    prompt: Sequence[int] | Tensor,
    *,
    k: int = 4,
    alpha: float = 0.6,
    max_new_tokens: int = 100,
    filters: Iterable[Filter] = (),
    stop: Iterable[int] = (),
) -> Int[Tensor, " T"]:
    """Returns the prompt with tokens that are likely and yet unlike those before them.

    Of the k likeliest tokens v the one with the highest (1 − α) p(v) − α maxⱼ cos(h_v, h_j), where h_v is the
    last layer's normed stream at v, if it came next, and h_j those at the tokens so far. Each step reads all
    k; nothing is drawn.

    Args:
        model: in whatever mode.
        prompt: ids of one sequence.
        k: how many tokens to try, 1 or more.
        alpha: from 0, which is greedy, to 1, which asks only for what is unlike.
        max_new_tokens: how many to add at most.
        filters: applied to the logits before the probabilities are taken.
        stop: ids that end the text.

    Raises:
        ValueError: for numbers that do not fit, or a text longer than the model's context.

    Example:
        >>> from tinygpt.models import GPTConfig
        >>> model = GPT(GPTConfig(vocab_size=16, n_layers=1, d_model=16), seed=0)
        >>> contrastive_search(model, [1, 2], max_new_tokens=3).shape
        torch.Size([5])

    Source: Su et al. 2022, "A Contrastive Framework for Neural Text Generation", equation 5.
    """
    ids = read_prompts(prompt, model).rows
    _check(model, ids, k, alpha, max_new_tokens)
    model, filters, stop = uncompiled(model), tuple(filters), frozenset(stop)
    length, dtype = ids.shape[1] + max_new_tokens, model.embed.weight.dtype
    cache = KVCache(model.config, 1, length, device=model.device, dtype=dtype)
    before = model(ids, cache, unembed=False)[0]
    logits = model.head(before[-1:]).float()
    for n_new in range(max_new_tokens):
        p = apply(filters, logits, ids, n_new).softmax(dim=-1)[0]
        likely, tokens = p.topk(min(k, int((p > 0).sum())))
        cache.select(torch.zeros_like(tokens))
        after = model(tokens[:, None], cache, unembed=False)[:, 0]
        alike = F.normalize(after, dim=-1) @ F.normalize(before, dim=-1).mT
        best = ((1 - alpha) * likely - alpha * alike.amax(dim=-1)).argmax(dim=0, keepdim=True)
        cache.select(best)
        before, logits = torch.cat([before, after[best]]), model.head(after[best]).float()
        ids = torch.cat([ids, tokens[best][None]], dim=1)
        if int(tokens[best]) in stop:
            break
    return ids[0]


def _check(model: GPT, ids: Tensor, k: int, alpha: float, n: int) -> None:
    if len(ids) > 1:
        raise ValueError(f"contrastive search takes one sequence; got a batch of {len(ids)}.")
    if k < 1 or not 0 <= alpha <= 1:
        raise ValueError(f"k must be 1 or more and alpha from 0 to 1; got {k} and {alpha}.")
    if n < 0 or ids.shape[1] + n > model.config.context:
        raise ValueError(
            f"a prompt of {ids.shape[1]} tokens and {n} new ones must fit the model's context of "
            f"{model.config.context}. Lower max_new_tokens, or shorten the prompt."
        )
