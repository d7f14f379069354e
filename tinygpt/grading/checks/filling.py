"""The bug hunt of chapter 06: the targets of a batch of conversations."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from tinygpt.grading.checks.draws import dice, numbers
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law

Rows = list[tuple[list[int], list[bool]]]
NOT_COUNTED = -100


def targets_oracle(rows: Rows) -> Tensor:
    """Number by number."""
    width = max(len(ids) for ids, _ in rows) - 1
    targets = torch.full((len(rows), width), NOT_COUNTED)
    for b, (ids, counted) in enumerate(rows):
        for t in range(len(ids) - 1):
            if counted[t + 1]:
                targets[b, t] = ids[t + 1]
    return targets


def targets_attempt(
    rows: Rows,
    *,
    mask: str = "targets",
    padding: str = "masked",
    shift: int = 1,
    fill: int = NOT_COUNTED,
    side: str = "right",
) -> Tensor:
    """Rows filled up and shifted, with a knob for each known way to go wrong."""
    width = max(len(ids) for ids, _ in rows)
    tokens = torch.zeros(len(rows), width, dtype=torch.long)
    counts = torch.full((len(rows), width), padding == "counted")
    for b, (ids, counted) in enumerate(rows):
        at = slice(0, len(ids)) if side == "right" else slice(width - len(ids), width)
        tokens[b, at], counts[b, at] = torch.tensor(ids), torch.tensor(counted)
    if padding == "0 never counts":
        counts &= tokens != 0
    wanted = tokens[:, 1:] if shift else tokens[:, :-1]
    kept = {
        "targets": counts[:, 1:] if shift else counts[:, :-1],
        "inputs": counts[:, :-1],
        "everything": torch.ones_like(wanted, dtype=torch.bool),
        "inverted": ~counts[:, 1:],
    }[mask]
    return wanted.masked_fill(~kept, fill)


def depends_on_company(call: Call, args: tuple, got: Tensor) -> bool:
    """A row's targets must be the same alone."""
    for b, row in enumerate(args[0]):
        alone = call([row])
        same = got[b, : len(row[0]) - 1]
        if alone.shape != (1, len(row[0]) - 1) or not torch.equal(alone[0], same):
            return True
    return False


def wrong_number(call: Call, args: tuple, got: Tensor) -> bool:
    """As many targets count as tokens, the first of a row apart."""
    return int((got != NOT_COUNTED).sum()) != sum(sum(counted[1:]) for _, counted in args[0])


def _rows(generator: Generator, *lengths: tuple[int, int], least: int = 1, most: int = 40) -> tuple[Rows]:
    """Rows of a prompt, an answer, and a last token that does not count."""
    rng, rows = dice(generator), []
    for asked, said in lengths:
        ids = [least + n for n in numbers(rng, asked + said + 1, most)]
        rows.append((ids, [False] * asked + [True] * said + [False]))
    return (rows,)


def _two_answers(generator: Generator) -> tuple[Rows]:
    ids = [1 + n for n in numbers(dice(generator), 9, 40)]
    return (
        [
            (ids, [False, False, True, True, False, False, True, True, True]),
            (ids[:4], [False, True, True, False]),
        ],
    )


chat_targets = Exercise(
    name="chat_targets",
    arguments=("rows",),
    returns="B T",
    reference=targets_oracle,
    attempt=targets_attempt,
    faults=(
        Fault(
            "still both",
            "Nothing is mended yet: the mask belongs to the inputs, and what fills a row up counts.",
            {"mask": "inputs", "padding": "counted"},
        ),
        Fault(
            "mask off by one",
            "The mask is that of the *inputs*: an answer's first token never counts, and the one behind its "
            "end does. It belongs to the targets: cut off its first column, not its last.",
            {"mask": "inputs"},
        ),
        Fault(
            "padding counted",
            "What fills a short row up counts, so the model is paid for writing 0 after an answer, and the "
            "loss looks better than it is.",
            {"padding": "counted"},
        ),
        Fault(
            "token 0 never counts",
            "Padding is recognised by its number, 0, but 0 is a token too. Fill up `counted` with False.",
            {"padding": "0 never counts"},
        ),
        Fault(
            "nothing masked", "Every token counts, the prompt and the padding too.", {"mask": "everything"}
        ),
        Fault("mask inverted", "What should count does not, and the other way round.", {"mask": "inverted"}),
        Fault(
            "not shifted",
            "Target t is token t, which the model can see. It is token t + 1.",
            {"shift": 0},
        ),
        Fault("0 in place of -100", "What does not count is −100, which cross-entropy skips.", {"fill": 0}),
        Fault(
            "filled up in front",
            "Rows are filled up at their end, so that t means the same.",
            {"side": "left"},
        ),
    ),
    laws=(
        Law(
            "company matters",
            "A row has other targets in company than alone. What is added to a short row must not count.",
            depends_on_company,
        ),
        Law(
            "wrong number",
            "The number of targets that count is not the number of tokens that do.",
            wrong_number,
        ),
    ),
    cases=(
        Case("one row", lambda g: _rows(g, (3, 2))),
        Case("rows of different lengths", lambda g: _rows(g, (3, 4), (2, 1), (5, 2)), points=2),
        Case("two answers in a row", _two_answers),
        Case("token 0 is a word", lambda g: _rows(g, (2, 6), (4, 5), least=0, most=3)),
    ),
    shortcuts=("tinygpt.alignment",),
)
