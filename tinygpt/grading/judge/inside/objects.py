"""What is more than plain data on its way over the pipe: the judge's objects, models, and what stays here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from . import wire  # relative, since in the sandbox this folder is a package of its own

Ask = Callable[[dict[str, Any], Any], Any]


class Remote:
    """An argument that stays with the judge: calling it, or a method of it, asks the judge.

    Args:
        ask: Sends a question and what it is asked with, and gives the answer.
        number: Which of the judge's objects.
        methods: What it can be asked.
    """

    def __init__(self, ask: Ask, number: int, methods: list[str]) -> None:
        self._ask, self._number, self._methods = ask, number, methods

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._asked("__call__", args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._methods:
            raise AttributeError(f"it has no {name!r} to use: it can be called, and has {self._methods}")
        return lambda *args, **kwargs: self._asked(name, args, kwargs)

    def __deepcopy__(self, memo: Any) -> Remote:
        return self

    def _asked(self, method: str, args: tuple, kwargs: dict[str, Any]) -> Any:
        question = {"ask": self._number, "method": method}
        slopes = [isinstance(arg, torch.Tensor) and arg.requires_grad for arg in args]
        if slopes == [True] and not kwargs and torch.is_grad_enabled():
            return differentiable(self._ask, question)(args[0])
        return self._ask(question, (args, kwargs))


def differentiable(ask: Ask, question: dict[str, Any]) -> Callable[[torch.Tensor], torch.Tensor]:
    """A function of the judge's through which a gradient flows: the judge gives that as well."""

    # Two functions, since under torch.func only a `forward` gets plain tensors.
    class Slope(torch.autograd.Function):
        @staticmethod
        def forward(x: torch.Tensor, gradient: torch.Tensor) -> Any:
            return ask({**question, "slope": True}, (x, gradient))

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple, output: Any) -> None:
            pass

        @staticmethod
        def backward(ctx: Any, gradient: torch.Tensor) -> Any:
            raise NotImplementedError("the judge gives first derivatives only.")

    class Through(torch.autograd.Function):
        @staticmethod
        def forward(x: torch.Tensor) -> Any:
            return ask(question, ((x,), {}))

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple, output: Any) -> None:
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx: Any, gradient: torch.Tensor) -> Any:
            return Slope.apply(*ctx.saved_tensors, gradient)

    return Through.apply


def known(found: dict[str, Any], reader: wire.Reader, ask: Ask) -> Any:
    """The judge's objects, configs and models, as an answer gets them."""
    if found["is"] == "remote":
        return Remote(ask, found["number"], found["methods"])
    from tinygpt.models import GPT, GPTConfig

    config = GPTConfig(**{key: reader.take(value) for key, value in found["config"].items()})
    if found["is"] == "config":
        return config
    model = GPT(config)
    model.load_state_dict(reader.take(found["state"]))
    return model


def handed(value: Any, kept: list[nn.Module]) -> dict[str, Any]:
    """What comes back and is no plain data: the judge's own object, a model kept here, a description."""
    if isinstance(value, Remote):
        return {"is": "remote", "number": value._number}
    if isinstance(value, nn.Module):
        kept.append(value)
        return {"is": "module", "number": len(kept) - 1, "type": type(value).__name__[:60]}
    return {"is": "other", "type": type(value).__name__[:60], "text": repr(value)[:60]}


def printed(value: Any) -> tuple[Any, bytes]:
    """Two values are alike if their prints are: for a model, weights and who listens to it."""

    def other(value: Any, writer: wire.Writer) -> dict[str, Any]:
        if isinstance(value, nn.Module):
            return {"state": writer.put(dict(value.state_dict())), "heard": heard(value)}
        return handed(value, [])

    writer = wire.Writer(other)
    return writer.put(value), bytes(writer.body)


def heard(model: nn.Module) -> list[bool]:
    """For each module and tap of a model whether somebody listens to it."""
    from tinygpt.models import taps

    hooked = [bool(part._forward_hooks or part._forward_pre_hooks) for part in model.modules()]
    return hooked + [tap.watched for tap in taps(model).values()]
