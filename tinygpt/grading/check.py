"""From an answer to a result: ask, compare, and find the mistake that explains everything that was seen."""

from __future__ import annotations

import hashlib
import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tinygpt.grading import record
from tinygpt.grading.checks import find
from tinygpt.grading.compare import alike, describe, difference, form, same
from tinygpt.grading.excerpt import Excerpt
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law
from tinygpt.grading.picture import Picture
from tinygpt.grading.protect import Trouble, protected
from tinygpt.grading.result import Outcome, Result

SEED = 0  # half of the inputs are the same for everybody, so that two learners can compare what they see
UNSTEADY = (
    "Two calls with the same input gave two answers. Nothing here may be random: look for dropout, `rand`, "
    "or a variable outside the function that changes from call to call."
)
CONSTANT = (
    "Right here, but so would be an answer that is always the same: all that is right has one value. It "
    "earns points when it depends on what is asked."
)


@dataclass(frozen=True)
class Seen:
    """One question and what came back: a value, or trouble in place of one."""

    case: Case
    args: tuple
    expected: Any
    got: Any = None
    trouble: Trouble | None = None


def check(name: str, answer: Any, *, hidden: Sequence[Case] = (), seed: int | None = None) -> Result:
    """A `Result` that says how much of an exercise an answer gets right, and names the likely mistake.

    Every case is drawn twice, with one seed that is the same for everybody and one that is fresh. The best
    result is kept for `progress`.

    Args:
        name: The exercise: "causal_attention".
        answer: The learner's function, or value where the exercise asks for one.
        hidden: Cases to ask in place of the exercise's own.
        seed: Seed of the fresh inputs; None draws one.

    Returns:
        A result which shows itself, in a notebook and in a terminal. It never raises because of the answer.

    Raises:
        ValueError: There is no exercise of that name.

    Example:
        >>> import torch, tinygpt as tg
        >>> tg.grading.check("attention_weights", lambda q, k: (q @ k.mT).softmax(-1)).mistake
        'not scaled'
    """
    exercise = find(name)
    cases = tuple(hidden) or exercise.cases
    kind = "hidden" if hidden else "public"
    try:
        call = protected(answer, exercise)
    except Trouble as trouble:
        outcomes = tuple(Outcome(case.title, case.points, False) for case in cases)
        return Result(name, outcomes, kind, trouble.name, trouble.says)
    seeds = (SEED, secrets.randbits(256) if seed is None else seed)
    result = examine(exercise, call, cases, seeds, kind)
    record.note(result)
    return result


def examine(
    exercise: Exercise,
    call: Call,
    cases: Sequence[Case],
    seeds: Sequence[int],
    kind: str = "public",
    *,
    mixed: bool = False,
) -> Result:
    """What `check` found, for any `call` that takes arguments and gives a value or raises `Trouble`.

    This is the place for a judge: its `call` sends the arguments to another process. The inputs, the expected
    values, the comparison and the points stay here. A judge asks `mixed`, or an answer that counts its calls
    would know which case comes next; the order has nothing to do with a seed, which inputs may betray.
    """
    questions = [
        (case, _seed(seed, f"{exercise.name} {kind} {i} {again}", i + len(cases) * again))
        for i, case in enumerate(cases)
        for seed in seeds
        for again in range(case.times)
    ]
    order = list(range(len(questions)))
    if mixed:
        random.SystemRandom().shuffle(order)
    asked = {n: _ask(exercise, call, *questions[n]) for n in order}
    seen = [asked[n] for n in sorted(asked)]
    wrong = [s for s in seen if not _right(s, exercise)]
    if not wrong:
        return Result(exercise.name, tuple(Outcome(c.title, c.points, True) for c in cases), kind)
    mistake, says = _diagnose(exercise, call, seen, wrong)
    constant = bool(exercise.arguments) and _constant(seen, exercise)
    outcomes = []
    for case in cases:
        first = next((s for s in wrong if s.case is case), None)
        finding = "" if first is None or _told(first, mistake, exercise) else _finding(first, exercise)
        finding = CONSTANT if first is None and constant else finding
        outcomes.append(Outcome(case.title, case.points, first is None and not constant, finding))
    return Result(exercise.name, tuple(outcomes), kind, mistake, says, _picture(wrong, exercise))


def _seed(seed: int, question: str, turn: int) -> int:
    """The seed of one question's inputs, with its turn above the 32 bits from which PyTorch draws.

    Numbers that were drawn can be traced back to 32 bits in minutes, so those of fresh inputs are a hash, in
    which neither the question nor its turn can be read.
    """
    digest = hashlib.sha256(f"{seed} {question}".encode()).digest()
    low = turn if seed == SEED else int.from_bytes(digest[:4], "big")
    return (seed + turn) % 2**31 << 32 | low


def _ask(exercise: Exercise, call: Call, case: Case, seed: int) -> Seen:
    args = case.draw(torch.Generator().manual_seed(seed))
    expected = _measured(exercise.reference(*args), args, exercise)
    try:
        return Seen(case, args, expected, got=_settled(call(*args), args, expected, exercise))
    except Trouble as trouble:
        return Seen(case, args, expected, trouble=trouble)


def _measured(value: Any, args: tuple, exercise: Exercise) -> Any:
    """What is compared: the value itself, or what the exercise takes of it."""
    if exercise.measured is None:
        return value
    try:
        return exercise.measured(value, *args)
    except Trouble:
        raise
    except Exception as error:
        says = f"Wanted {exercise.returns}, got {describe(value)}: {type(error).__name__}: {error}."
        raise Trouble("wrong form", says) from None


def _settled(got: Any, args: tuple, expected: Any, exercise: Exercise) -> Any:
    """The answer as it is compared: capitals and blanks around a word that is asked for do not count."""
    got = _measured(got, args, exercise)
    if not exercise.arguments and isinstance(got, str):
        return got.strip().casefold()
    return alike(got, expected)


def _constant(seen: list[Seen], exercise: Exercise) -> bool:
    """Whether one value would be right wherever the answer is, though not for all questions."""
    first = next((s for s in seen if _right(s, exercise)), None)
    if first is None:
        return False
    other = [s for s in seen if not same(s.expected, first.expected, 2 * exercise.tolerance)]
    return bool(other) and not any(_right(s, exercise) for s in other)


def _right(seen: Seen, exercise: Exercise) -> bool:
    if seen.trouble or form(seen.got, seen.expected, exercise.returns):
        return False
    return same(seen.got, seen.expected, exercise.tolerance)


def _told(seen: Seen, mistake: str, exercise: Exercise) -> bool:
    """Whether the diagnosis says all there is to say about this case."""
    if seen.trouble:
        return seen.trouble.name == mistake
    wrong_form = form(seen.got, seen.expected, exercise.returns)
    return not wrong_form and mistake not in ("wrong values", "crash")


def _finding(seen: Seen, exercise: Exercise) -> str:
    if seen.trouble:
        return seen.trouble.says
    wrong_form = form(seen.got, seen.expected, exercise.returns)
    if wrong_form:
        return wrong_form
    if not exercise.arguments:
        return f"{seen.got!r} is not it: the answer is one word of the list, exactly as it stands there."
    return f"{difference(seen.got, seen.expected, exercise.tolerance)} {seen.case.advice}".strip()


def _picture(wrong: list[Seen], exercise: Exercise) -> Picture | Excerpt | None:
    """The first wrong tensor, or the easiest question with a wrong plain answer; a value is not told."""
    formed = [s for s in wrong if not s.trouble and not form(s.got, s.expected, exercise.returns)]
    if not exercise.arguments or not formed:
        return None
    if pictures := [picture for s in formed if (picture := Picture.of(s.got, s.expected))]:
        return pictures[0]
    easiest = min((s for s in formed if s.case is formed[0].case), key=lambda s: len(repr(s.args)))
    asked = dict(zip(exercise.arguments, easiest.args, strict=True))
    return Excerpt.of(easiest.got, easiest.expected, exercise.tolerance, asked)


def _diagnose(exercise: Exercise, call: Call, seen: list[Seen], wrong: list[Seen]) -> tuple[str, str]:
    """The short name and the full text of the likely mistake.

    A known mistake must explain everything that was seen, the right values among the wrong ones too. Only
    then come the laws, which need less evidence and say less.
    """
    values = [s for s in seen if s.trouble is None]
    off = [s for s in values if not same(s.got, s.expected, exercise.tolerance)]
    if any(_unsteady(call, s, exercise) for s in off[:2]):
        return "changes from call to call", UNSTEADY
    for fault in exercise.mistakes() if off else ():
        if all(_made(fault, exercise, s) for s in values):
            return fault.name, fault.says
    formed = [s for s in off if not form(s.got, s.expected, exercise.returns)]
    for law in exercise.laws:
        if any(_broken(law, call, s) for s in formed):
            return law.name, law.says
    first = (formed or wrong)[0]
    if first.trouble:
        return first.trouble.name, first.trouble.says
    return "wrong values" if formed else "wrong form", _finding(first, exercise)


def _unsteady(call: Call, seen: Seen, exercise: Exercise) -> bool:
    if not isinstance(seen.got, Tensor) and form(seen.got, seen.expected, exercise.returns):
        return False  # a generator, say, never equals the one before
    try:
        again = _settled(call(*seen.args), seen.args, seen.expected, exercise)
    except Trouble:
        return True
    return not same(again, seen.got, 0.0)


def _broken(law: Law, call: Call, seen: Seen) -> bool:
    try:
        return law.broken(call, seen.args, seen.got)
    except Exception:
        return False  # the law cannot be asked about such an answer, or the answer not about the law's inputs


def _made(fault: Fault, exercise: Exercise, seen: Seen) -> bool:
    """Whether this mistake gives exactly the value that was seen."""
    try:
        made = _measured(exercise.attempt(*seen.args, **fault.knobs), seen.args, exercise)
        return same(seen.got, made, exercise.tolerance)
    except (Trouble, RuntimeError, LookupError, ValueError, ArithmeticError):
        return False  # the mistake cannot be made with these inputs
