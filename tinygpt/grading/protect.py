"""Calling somebody's unfinished function, and saying in plain words what went wrong when it breaks."""

from __future__ import annotations

import inspect
import linecache
import traceback
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from tinygpt.grading.compare import describe, same
from tinygpt.grading.excerpt import PLAIN
from tinygpt.grading.exercise import Call, Exercise
from tinygpt.models import taps

# What a message of Python, PyTorch or einops means for somebody who is learning them; the first match speaks.
MEANINGS = (
    (
        "view size is not compatible",
        "`view` needs numbers that lie in order in memory. Use `reshape` or einops.",
    ),
    ("same dtype", "Two tensors differ in precision. Create new tensors with dtype=x.dtype."),
    ("expected scalar type", "Two tensors differ in precision. Create new tensors with dtype=x.dtype."),
    ("Error while processing rearrange", "The pattern does not fit the shape. Name every axis, in order."),
    ("einsum", "Give every axis of every input one letter, and `...` where there may be more axes."),
    (
        "t() expects a tensor",
        "`.t()` is for matrices. `.mT` swaps the last two axes, whatever stands before.",
    ),
    (
        "must match",
        "Two shapes do not fit. Write the letters of both beside each other, or print both shapes.",
    ),
    ("shapes cannot be multiplied", "`a @ b` needs a's last axis as long as b's last but one."),
    ("Expected size for first two", "`a @ b` needs a's last axis as long as b's last but one."),
    (
        "too many values to unpack",
        "The input has more axes than you unpack. `*rest, T, K = x.shape` takes any number.",
    ),
    ("Dimension out of range", "That axis does not exist. Count from the end: the last axis is -1."),
    ("is not defined", "Is it misspelt? Has the cell that defines it run, and is it still there?"),
    (
        "'NoneType'",
        "Something is None: often a function or method that changes in place and returns nothing.",
    ),
    ("ZeroDivisionError", "Something that is divided by is 0: which input is empty, or was never seen?"),
    (
        "empty sequence",
        "An empty list has no smallest or largest entry: ask first whether anything is there.",
    ),
    (
        "iterable argument is empty",
        "Nothing has no smallest or largest entry: ask first whether it is empty.",
    ),
    ("IndexError: list index out of range", "The list is shorter than you think; is the last index len − 1?"),
    ("KeyError", "That key is not in the dictionary. Ask `key in table` first, or use `table.get(key)`."),
    ("unhashable type: 'list'", "A list cannot be a key of a dictionary: `tuple(...)` can."),
    ("math domain error", "The logarithm of 0 or less: which probability became 0?"),
    ("UnicodeDecodeError", 'Not every run of bytes is UTF-8: `errors="replace"` shows what is not as �.'),
)


class Trouble(Exception):
    """An answer that gave no value to compare: `name` in a word or two, `says` in full sentences."""

    def __init__(self, name: str, says: str) -> None:
        super().__init__(says)
        self.name, self.says = name, says


def protected(answer: Any, exercise: Exercise) -> Call:
    """The learner's answer as a function that gives a value or raises `Trouble`, and gets copies to work on.

    Raises:
        Trouble: At once, when the answer is not a function with the right number of arguments.
    """
    if not exercise.arguments:
        return lambda: answer
    _must_be_callable(answer, exercise)

    def call(*args: Any) -> Any:
        copies = deepcopy(args)
        try:
            got = _plain(answer(*copies))
        except Exception as error:
            if isinstance(error, NotImplementedError) and not error.args:
                raise Trouble("not written", NOT_WRITTEN.format(exercise.name)) from None
            message, line = str(error), _line(error, answer)
            raise Trouble("crash", explain(line, type(error).__name__, message, exercise, args)) from None
        for name, before, after in zip(exercise.arguments, args, copies, strict=True):
            if isinstance(before, nn.Module) and _disturbed(after, before):
                raise Trouble("changes its input", DISTURBED.format(name))
            if isinstance(before, (Tensor, list, dict)) and not same(after, before, 0.0):
                raise Trouble("changes its input", IN_PLACE.format(name))
        return got

    return call


NOT_WRITTEN = "`{0}` is not written yet. Replace the line that raises NotImplementedError."
IN_PLACE = (
    "Your function changes its input `{0}`, which its caller still needs. Look for `+=`, for assignments to "
    "`{0}[...]` or to what is in it, and for methods that change in place: those that end in `_`, `append`, "
    "`pop`, `sort` and their like. Work on a copy."
)
DISTURBED = (
    "Your function leaves `{0}` other than it was: with other weights, or with an edit still in place. "
    "Edits belong in a `with tg.edit(...)` block, which takes them away at its end."
)


def _disturbed(after: nn.Module, before: nn.Module) -> bool:
    """Whether a model's weights have changed, or somebody still listens at one of its taps or modules."""
    listens = any(tap.watched for tap in taps(after).values())
    hooked = any(m._forward_hooks or m._forward_pre_hooks for m in after.modules())
    pairs = zip(after.state_dict().values(), before.state_dict().values(), strict=True)
    return listens or hooked or not all(torch.equal(*pair) for pair in pairs)


def _plain(got: Any) -> Any:
    """A tensor that can be compared: without gradients, on the CPU, and dense."""
    if not isinstance(got, Tensor):
        return got
    got = got.detach().to("cpu")
    return got if got.layout is torch.strided else got.to_dense()


def _must_be_callable(answer: Any, exercise: Exercise) -> None:
    if not callable(answer):
        says = (
            f"Hand over the function itself, `{exercise.name}` without parentheses; got {describe(answer)}."
        )
        raise Trouble("not a function", says)
    try:
        inspect.signature(answer).bind(*exercise.arguments)
    except TypeError as error:
        says = f"It is called as `{exercise.signature}`, which does not fit yours: {error}."
        raise Trouble("wrong arguments", says) from None
    except ValueError:  # a built-in that does not tell its signature
        return


def explain(line: str, kind: str, message: str, exercise: Exercise, args: tuple) -> str:
    """An exception in plain words: where it was raised, what it means, what the inputs were."""
    meaning = next((says for part, says in MEANINGS if part in f"{kind}: {message}"), "")
    message = (message.strip() or "no message").splitlines()[0]
    shown = (describe(a) if isinstance(a, (Tensor, *PLAIN)) else type(a).__name__ for a in args)
    inputs = ", ".join(f"{n}: {a}" for n, a in zip(exercise.arguments, shown, strict=True))
    return f"{line} raised {kind}: {message.rstrip('.')}. {meaning} The inputs were {inputs}."


def _line(error: Exception, answer: Any) -> str:
    """The last line of the learner's own code on the way to an error."""
    home = getattr(getattr(answer, "__code__", None), "co_filename", None)
    frames = traceback.extract_tb(error.__traceback__)[1:]
    if not frames:
        return "The call itself"
    frame = next((f for f in reversed(frames) if f.filename == home), frames[-1])
    text = linecache.getline(frame.filename, frame.lineno or 0).strip()
    return f"Line {frame.lineno}, `{text}`," if text else f"Line {frame.lineno}"
