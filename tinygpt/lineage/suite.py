"""The exam that every stage of the lineage takes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from tinygpt.alignment import chat_batch, sequence_log_probs
from tinygpt.alignment.chat import padded_batch
from tinygpt.data import bits_per_byte
from tinygpt.data.worlds import (
    Document,
    Request,
    brambleford,
    brambleford_facts,
    render,
    request,
    steps_of,
    story_end,
    story_wish,
    sum_request,
    terms_of,
)
from tinygpt.lineage.answers import answers
from tinygpt.lineage.pretraining import END, TEST_SEED
from tinygpt.lineage.reasoning import LONGEST, right_result

if TYPE_CHECKING:
    from jaxtyping import Bool, Int
    from torch import Tensor

    from tinygpt.models import GPT
    from tinygpt.tokenizers import Tokenizer
    from tinygpt.training.evaluate import Measurement

KINDS = ("story", "bio", "note", "sums", "lists", "voices")


def suite(tok: Tokenizer, n: int = 100, seed: int = TEST_SEED) -> dict[str, Measurement]:
    """Returns the measurements of the lineage, for `evaluate`.

    - "bits per byte: …": on new texts of the village, by kind, with "all" and "entropy", the exact floor
      of all.
    - "facts: …", shares of right answers about who lives where and the like: "completed" in the words of the
      village's texts, "asked" in a chat about people whom instruction tuning left out, "reworded" the same
      in a wording that it left out, "unknown" about strangers, where `UNKNOWN` is right.
    - "instructions: …": answers about a note, and words of a list put in order as asked.
    - "sums: …": "completed" in the village's texts; in a chat the results said at once, by number of digits
      or of terms, or after "thinking", with the steps written out, "drawn" at temperature 1 or not.
    - "stories: …": told at temperature 1: "ended" by themselves, "well formed" as the village could tell
      them and, which is what people prefer, with a "good end".

    Right means that the likeliest token at every step gives the right answer, to its end.

    Args:
        tok: of the models that will be measured.
        n: questions per measurement.
        seed: of the questions. Those of training have seeds below.

    Example:
        >>> from tinygpt.lineage import shipped
        >>> from tinygpt.training import evaluate
        >>> kept = shipped("instruct")
        >>> evaluate(kept.model, {"facts": suite(kept.tokenizer, n=20)["facts"]})["facts: asked"] > 0.5
        True
    """
    return {
        "bits per byte": partial(_bits_per_byte, tok, _documents(n, seed)),
        "facts": partial(_shares, tok, _facts(n, seed)),
        "instructions": partial(_shares, tok, {kind: _requests(n, seed, kind) for kind in ("note", "list")}),
        "sums": partial(_sums, tok, n, seed),
        "stories": partial(_stories, tok, n, seed),
    }


Exam = dict[str, list[Request]]


def _documents(n: int, seed: int) -> dict[str, list[Document]]:
    kinds: dict[str, list[Document]] = {kind: [] for kind in KINDS}
    for document in brambleford(seed):
        if len(kinds[document.kind]) < n:
            kinds[document.kind].append(document)
        elif all(len(found) == n for found in kinds.values()):
            return kinds
    raise AssertionError("the village never runs out of texts")


def _bits_per_byte(tok: Tokenizer, kinds: dict[str, list[Document]], model: GPT) -> dict[str, float]:
    end, device = tok.special_tokens[END], model.device
    scores, nats, floor, size = {}, 0.0, 0.0, 0
    for kind, documents in kinds.items():
        rows = [[end, *tok.encode(document.text), end] for document in documents]
        inputs, targets = padded_batch([(row, [True] * len(row)) for row in rows])
        found = -sequence_log_probs(model, inputs.to(device), targets.to(device)).sum().item()
        n_bytes = sum(len(document.text.encode()) for document in documents)
        scores[kind] = bits_per_byte(found, 1, n_bytes)
        nats, floor, size = nats + found, floor + sum(d.nats for d in documents), size + n_bytes
    return {**scores, "all": bits_per_byte(nats, 1, size), "entropy": bits_per_byte(floor, 1, size)}


def _facts(n: int, seed: int) -> Exam:
    rng = random.Random(seed)
    told = [(name, relation) for name, facts in brambleford_facts().items() for relation in facts]
    completed = [_completion(name, relation) for name, relation in rng.sample(told, min(n, len(told)))]
    about = {"asked": ("fact", False), "reworded": ("fact", True), "unknown": ("stranger", False)}
    return {
        "completed": completed,
        **{
            name: [request(rng, [kind], held_out=True, reworded=reworded) for _ in range(n)]
            for name, (kind, reworded) in about.items()
        },
    }


def _completion(name: str, relation: str) -> Request:
    """A fact in the words of the village's texts, cut before the value; no chat."""
    value = brambleford_facts()[name][relation]
    sentence = render(((relation, 0, {"name": name, "value": value}),), "en")
    before, _, _ = sentence.rpartition(f" {value} .")
    return Request("text", before, f" {value}")


def _requests(n: int, seed: int, kind: str) -> list[Request]:
    rng = random.Random(f"{kind} {seed}")
    return [request(rng, [kind], held_out=True) for _ in range(n)]


def _shares(tok: Tokenizer, exam: Exam, model: GPT) -> dict[str, float]:
    return {name: right(model, tok, requests).float().mean().item() for name, requests in exam.items()}


def right(model: GPT, tok: Tokenizer, requests: Sequence[Request]) -> Bool[Tensor, " N"]:
    """Returns for each request whether greedy decoding gives the right answer, to its end.

    All answers are checked in one pass: greedy decoding says the right answer if and only if, given the right
    answer so far, the likeliest token is always the right next one.
    """
    inputs, targets = (part.to(model.device) for part in _rows(tok, requests))
    counted = targets >= 0
    return ((model(inputs).argmax(dim=-1) == targets) | ~counted).all(dim=1).cpu()


def _rows(tok: Tokenizer, requests: Sequence[Request]) -> tuple[Int[Tensor, "N T"], Int[Tensor, "N T"]]:
    if requests[0].kind != "text":
        return chat_batch(tok, [request.messages for request in requests])
    end = tok.special_tokens[END]
    rows = [(tok.encode(request.question), tok.encode(request.answer)) for request in requests]
    return padded_batch(
        [([end, *asked, *said], [False] * (1 + len(asked)) + [True] * len(said)) for asked, said in rows]
    )


def _sums(tok: Tokenizer, n: int, seed: int, model: GPT) -> dict[str, float]:
    rng = random.Random(f"sums {seed}")
    exam = {"completed": [_sum_text(terms_of(rng, 2)) for _ in range(n)]}
    exam |= {"1 digit": [sum_request([rng.randrange(10), rng.randrange(10)]) for _ in range(n)]}
    drawn = {k: [terms_of(rng, k) for _ in range(n)] for k in (2, 3, 5)}
    exam |= {
        "2 digits" if k == 2 else f"{k} terms": [sum_request(terms) for terms in lists]
        for k, lists in drawn.items()
    }
    scores = _shares(tok, exam, model)
    for k in (3, 5):
        asked = [sum_request(terms, think=True) for terms in drawn[k]]
        for how, drawing in (("thinking", None), ("thinking, drawn", seed)):
            said = answers(model, tok, [r.question for r in asked], seed=drawing, max_new_tokens=LONGEST)
            marks = [right_result(a.text, request.answer) for a, request in zip(said, asked, strict=True)]
            scores[f"{k} terms, {how}"] = sum(marks) / n
    return scores


def _sum_text(terms: Sequence[int]) -> Request:
    """A sum of two numbers in the words of the village's texts; no chat."""
    before, _, result = steps_of(terms).partition(" =")
    return Request("text", f"{before} =", result.partition(" .")[0])


def _stories(tok: Tokenizer, n: int, seed: int, model: GPT) -> dict[str, float]:
    rng = random.Random(f"stories {seed}")
    told = answers(model, tok, [story_wish(rng) for _ in range(n)], seed=seed)
    ends = [story_end(answer.text) for answer in told]
    return {
        "ended": sum(answer.ended for answer in told) / n,
        "well formed": sum(end is not None for end in ends) / n,
        "good end": sum(end == "good" for end in ends) / n,
    }
