"""Exercise 1 of chapter 06: which targets of a conversation count."""

from __future__ import annotations

from torch import Generator

from tinygpt.grading.checks.draws import dice, numbers
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law

START, END, BREAK = 1, 2, 3
ASSISTANT, USER, SYSTEM = [4, BREAK], [5, BREAK], [6, 7, BREAK]  # what follows START in each one's turn
NOT_COUNTED = -100


def labels_oracle(ids: list[int], start: int, end: int, role: list[int]) -> list[int]:
    """A walk from mark to mark."""
    labels, t = [NOT_COUNTED] * len(ids), 0
    while t < len(ids):
        if ids[t] == start and ids[t + 1 : t + 1 + len(role)] == role:
            t += 1 + len(role)
            while t < len(ids):
                labels[t] = ids[t]
                if ids[t] == end:
                    break
                t += 1
        t += 1
    return labels[1:]


def labels_attempt(
    ids: list[int],
    start: int,
    end: int,
    role: list[int],
    *,
    who: str = "assistant",
    turns: str = "all",
    begins: str = "words",
    ends: str = "mark",
    shift: str = "right",
    fill: int = NOT_COUNTED,
) -> list[int]:
    """Labels from turns that are cut at their marks, with a knob for each known way to go wrong."""
    places = [t for t, token in enumerate(ids) if token == start]
    cut = list(zip(places, [*places[1:], len(ids)], strict=True))
    mine = [(a, b) for a, b in cut if ids[a + 1 : a + 1 + len(role)] == role]
    cut = {"assistant": mine, "everybody": cut, "others": [turn for turn in cut if turn not in mine]}[who]
    cut = {"all": cut, "last": cut[-1:], "first": cut[:1]}[turns]
    counts = [False] * len(ids)
    for a, b in cut:
        first = {"words": a + 1 + len(role), "role": a + 1, "mark": a, "role's length": a + len(role)}[begins]
        marked = next((t for t in range(a, b) if ids[t] == end), b)
        last = {"mark": min(marked + 1, b), "words": marked, "break": b}[ends]
        counts[first:last] = [True] * (last - first)
    if shift == "mask":
        return [token if count else fill for token, count in zip(ids[1:], counts, strict=False)]
    labels = [token if count else fill for token, count in zip(ids, counts, strict=True)]
    return {"right": labels[1:], "none": labels[:-1], "ahead": [*labels[2:], fill], "long": labels}[shift]


def another_token(call: Call, args: tuple, got: list[int]) -> bool:
    return any(token not in (NOT_COUNTED, after) for token, after in zip(got, args[0][1:], strict=False))


def counts_too_much(call: Call, args: tuple, got: list[int]) -> bool:
    right = labels_oracle(*args)
    return any(want == NOT_COUNTED != token for token, want in zip(got, right, strict=False))


def counts_too_little(call: Call, args: tuple, got: list[int]) -> bool:
    right = labels_oracle(*args)
    return any(token == NOT_COUNTED != want for token, want in zip(got, right, strict=False))


def _chat(generator: Generator, *roles: list[int], most: int = 5, broken: int = 0) -> tuple:
    """A conversation of these roles with random words; some tokens are missing at its end."""
    rng, ids = dice(generator), []
    for role in roles:
        words = [20 + word for word in numbers(rng, rng.randint(1, most), 12)]
        ids += [START, *role, *words, END, BREAK]
    return ids[: len(ids) - broken], START, END, ASSISTANT


def _role_is_said(generator: Generator) -> tuple:
    """The words of both sides contain the tokens of the assistant's role, and line breaks."""
    word = 20 + numbers(dice(generator), 1, 12)[0]
    user = [START, *USER, word, *ASSISTANT, word, END, BREAK]
    return [*user, START, *ASSISTANT, word, BREAK, *ASSISTANT, END, BREAK], START, END, ASSISTANT


def _other_marks(generator: Generator) -> tuple:
    """The same with other numbers for the marks, a longer role, and a token 0."""
    ids, *_ = _chat(generator, USER, ASSISTANT, USER, ASSISTANT)
    new = {START: 90, END: 0, BREAK: 91, 4: 92}
    return [new.get(token, token) for token in ids], 90, 0, [92, 91]


LENGTH = "There is one label less than tokens: after the last token nothing is known to follow."

answer_labels = Exercise(
    name="answer_labels",
    arguments=("ids", "start", "end", "role"),
    returns="a list of tokens and -100",
    reference=labels_oracle,
    attempt=labels_attempt,
    faults=(
        Fault(
            "nothing masked",
            "Every token counts, so the model learns to write the user's part too. Put −100 where the next "
            "token is not the assistant's.",
            {"who": "everybody", "begins": "mark", "ends": "break"},
        ),
        Fault(
            "prompt not masked",
            "What others say counts too. Only turns that begin with `start` and `role` are the assistant's.",
            {"who": "everybody"},
        ),
        Fault(
            "user's words in place of the assistant's",
            "The mask is inverted: the user's words count, the assistant's do not.",
            {"who": "others"},
        ),
        Fault(
            "not shifted",
            "Label t is token t itself, which the model can see. It is the token *after* it: `ids[t + 1]`.",
            {"shift": "none"},
        ),
        Fault(
            "mask off by one",
            "The labels are shifted, the mask is not: the answer's first word never counts, and what stands "
            "behind its end does. Whether label t counts is a question about token t + 1.",
            {"shift": "mask"},
        ),
        Fault("shifted twice", "Label t is token t + 2: shift by one.", {"shift": "ahead"}),
        Fault("one label too many", LENGTH, {"shift": "long"}),
        Fault(
            "end not counted",
            "The mark that ends the answer does not count, so the model never learns to stop. It is part of "
            "what the assistant says.",
            {"ends": "words"},
        ),
        Fault(
            "line break counted",
            "The line break behind `end` counts. Nobody asks the model for it: its turn is over.",
            {"ends": "break"},
        ),
        Fault(
            "role counted",
            "The role's tokens count. They open the turn, and whoever asks the model writes them.",
            {"begins": "role"},
        ),
        Fault(
            "role counted",
            "The mark and the role count. They open the turn, and whoever asks the model writes them.",
            {"begins": "mark"},
        ),
        Fault(
            "role one too short",
            "The role's last token counts: behind `start` come all tokens of `role`, then the words.",
            {"begins": "role's length"},
        ),
        Fault(
            "last answer only",
            "Only the last answer counts. Every turn of the assistant is an example.",
            {"turns": "last"},
        ),
        Fault(
            "first answer only",
            "Only the first answer counts. Every turn of the assistant is an example.",
            {"turns": "first"},
        ),
        Fault(
            "0 in place of -100",
            "What does not count is 0, which is a token like any other. Cross-entropy skips −100.",
            {"fill": 0},
        ),
    ),
    laws=(
        Law("not the next token", "A label is neither −100 nor the token after its position.", another_token),
        Law(
            "too much counts",
            "Something counts that the assistant does not say. Its words begin behind `start`, `role`, and "
            "the last that counts is `end`.",
            counts_too_much,
        ),
        Law(
            "too little counts",
            "Something that the assistant says does not count. Does every turn of it, from the first word to "
            "`end`?",
            counts_too_little,
        ),
    ),
    cases=(
        Case("a question and an answer", lambda g: _chat(g, USER, ASSISTANT)),
        Case(
            "a system's turn, and two answers",
            lambda g: _chat(g, SYSTEM, USER, ASSISTANT, USER, ASSISTANT),
        ),
        Case("an answer that is cut off", lambda g: _chat(g, USER, ASSISTANT, most=6, broken=3)),
        Case(
            "both say the assistant's role and a line break",
            _role_is_said,
            advice="A turn is the assistant's if `role` follows `start` directly, and it ends at `end`.",
        ),
        Case("other marks", _other_marks),
    ),
    shortcuts=("tinygpt.alignment",),
)
