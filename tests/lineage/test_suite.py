"""The exam: what it counts as right, and that it asks nothing that training told."""

from __future__ import annotations

import pytest
import torch

from tinygpt.alignment import chat_batch
from tinygpt.data.worlds import Request, brambleford, sum_request
from tinygpt.lineage import answers, right, suite
from tinygpt.lineage.suite import KINDS, TEST_SEED
from tinygpt.models import GPT, GPTConfig
from tinygpt.tokenizers import Tokenizer
from tinygpt.training import evaluate, fit

QUESTIONS = [sum_request([a, b]) for a, b in ((1, 2), (10, 20), (33, 44), (5, 6))]


@pytest.fixture(scope="module")
def model(tok: Tokenizer) -> GPT:
    """Knows the answers to some questions by heart, and no others."""
    pupil = GPT(GPTConfig(vocab_size=tok.vocab_size, n_layers=2, n_heads=2, d_model=32, context=128), seed=0)
    batch = chat_batch(tok, [question.messages for question in QUESTIONS])
    fit(pupil, iter(lambda: batch, None), steps=120, lr=1e-2, warmup=5, progress=False)
    return pupil


def test_right_is_what_greedy_decoding_says_to_the_end(model, tok):
    asked = QUESTIONS + [sum_request([a, a]) for a in range(8)]
    said = answers(model, tok, [question.question for question in asked], max_new_tokens=20)
    by_decoding = [a.ended and a.text == q.answer for a, q in zip(said, asked, strict=True)]
    assert right(model, tok, asked).tolist() == by_decoding
    assert by_decoding[: len(QUESTIONS)] == [True] * len(QUESTIONS)
    assert not all(by_decoding)


def test_an_answer_that_goes_on_or_stops_early_is_wrong(model, tok):
    known = QUESTIONS[0]
    longer = Request("sum", known.question, f"{known.answer} so")
    shorter = Request("sum", known.question, known.answer.removesuffix(" ."))
    assert right(model, tok, [known, longer, shorter]).tolist() == [True, False, False]


def test_the_exam_names_every_score_and_repeats(model, tok):
    exam = suite(tok, n=5)
    scores = evaluate(model, exam)
    assert scores == evaluate(model, suite(tok, n=5))
    assert {f"bits per byte: {kind}" for kind in (*KINDS, "all", "entropy")} <= set(scores)
    shares = [value for name, value in scores.items() if not name.startswith("bits")]
    assert len(shares) == 18
    assert all(0 <= share <= 1 for share in shares)


def test_no_model_beats_the_entropy_and_one_that_knows_nothing_pays_for_every_token(tok):
    blank = GPT(GPTConfig(vocab_size=tok.vocab_size, n_layers=1, n_heads=2, d_model=16, context=128), seed=0)
    with torch.no_grad():
        blank.embed.weight.zero_()  # tied: every token is as likely as any other
    scores = evaluate(blank, {"bits per byte": suite(tok, n=20)["bits per byte"]})
    documents = {kind: [] for kind in KINDS}
    for document in brambleford(TEST_SEED):
        documents[document.kind].append(document)
        if all(len(found) >= 20 for found in documents.values()):
            break
    sums = documents["sums"][:20]
    tokens = sum(len(tok.encode(document.text)) + 1 for document in sums)
    n_bytes = sum(len(document.text) for document in sums)
    uniform = tokens * torch.tensor(float(tok.vocab_size)).log2().item() / n_bytes
    assert scores["bits per byte: sums"] == pytest.approx(uniform, rel=1e-4)
    assert 0 < scores["bits per byte: entropy"] < scores["bits per byte: all"]
