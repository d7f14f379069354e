"""Tokens per second with the shipped draft and without: a small model guesses, the large one checks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from benchmarks.core import Candidate, Options, gate, report
from tinygpt.lineage import shipped
from tinygpt.models import GPT
from tinygpt.sampling import FastModel, Filter, fast, generate, greedy, prompt_lookup, speculative
from tinygpt.sampling.fast import why_not

PROMPT, NEW = "Once", 120  # within the context of 128: nothing is forgotten and read again
DRAFTED = (2, 3, 4, 7)
WAYS = {"temperature 1": [], "greedy": [greedy()]}


def main(options: Options) -> None:
    """Gates: greedy text is the same. Then a table for each engine and way of choosing."""
    kept, draft = shipped("pretrain"), shipped("draft")
    ids = kept.tokenizer.encode(PROMPT)
    for engine in ("eager", "loops"):
        if engine == "loops" and (reason := why_not(kept.model)):
            print(f"skipped: {reason}")
            continue
        models = [one.model.eval() if engine == "eager" else fast(one.model) for one in (kept, draft)]
        for way, filters in WAYS.items():
            compare(f"{engine}, {way}", *models, ids, filters, options)


def compare(
    name: str,
    model: GPT | FastModel,
    draft: GPT | FastModel,
    ids: list[int],
    filters: list[Filter],
    options: Options,
) -> None:
    """Prints the share of guesses that are taken, and the speeds; each repeat draws with seeds of its own."""
    new = 24 if options.quick else NEW
    shared = dict(max_new_tokens=new, filters=filters)
    calls: dict[str, Callable] = {"plain": partial(generate, model, ids, **shared)}
    drafts = {f"draft, {n} tokens": (draft, n) for n in DRAFTED} | {"lookup, 3 tokens": (prompt_lookup(), 3)}
    for row, (guesser, n) in drafts.items():
        calls[row] = partial(speculative, model, guesser, ids, n_drafted=n, **shared)
    for row in drafts:
        found = [calls[row](seed=seed) for seed in range(2 if options.quick else 20)]
        taken, said = (sum(getattr(one, of) for one in found) for of in ("accepted", "proposed"))
        rounds = sum(one.rounds for one in found)
        print(
            f"{name}, {row}: {taken / max(1, said):.2f} taken, {len(found) * new / rounds:.2f} tokens a pass"
        )
        if filters:
            gate(f"ids, {name}, {row}", torch.equal(found[0].ids, calls["plain"]()), f"{new} tokens")
    if not options.quick:
        rows = [Candidate(row, _often(call), 10 * new) for row, call in calls.items()]
        report(f"batch 1, +{new} tokens, {name}", "tokens/s", rows, options)


def _often(call: Callable) -> Callable[[], None]:
    """Ten texts, each with its seed."""

    def run() -> None:
        for seed in range(10):
            call(seed=seed)

    return run
