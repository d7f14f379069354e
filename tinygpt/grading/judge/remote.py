"""The judge's end of the pipe: a submission's answers as functions that give a value or raise `Trouble`."""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tinygpt.grading.exercise import Call, Exercise
from tinygpt.grading.judge.inside.wire import Forged, Reader, Writer, frame, read_frame
from tinygpt.grading.judge.limits import Limits
from tinygpt.grading.judge.sandbox import Sandbox
from tinygpt.grading.protect import DISTURBED, IN_PLACE, NOT_WRITTEN, Trouble, explain
from tinygpt.models import GPT, GPTConfig

MOST_QUESTIONS = 200_000  # that an answer may ask back in one call
SIGNALS = {-9: "was killed", -11: "crashed (segmentation fault)", -24: "used up its processor time"}
VERDICTS = {
    "too slow": "It did not come to an end in time. Is there a loop whose condition never becomes false?",
    "too much memory": "Its processes took more memory together than a submission may. What grows on?",
}

MUTE = (
    "`{0}` uses `tinygpt.grading`, which is not there while an answer is judged. Write the answer without it."
)


class Lost(Exception):
    """The worker is gone or of no more use: `name` in a word or two, `says` in full sentences."""

    def __init__(self, name: str, says: str) -> None:
        super().__init__(says)
        self.name, self.says = name, says


@dataclass(frozen=True)
class Foreign:
    """A value that cannot cross the pipe, of which only a description did."""

    kind: str
    text: str

    def __repr__(self) -> str:
        return self.text


class Remote:
    """One worker in its sandbox, asked from outside.

    Args:
        which: What `engine` returned.
        limits: What the worker may use.
    """

    def __init__(self, which: str, limits: Limits) -> None:
        self.limits = limits
        self.sandbox = Sandbox(which, limits)
        self.objects: list[Any] = []
        self.ready = False

    def close(self) -> None:
        self.sandbox.close()

    def run(self, source: str, name: str, wanted: list[str]) -> str:
        """Runs a cell; returns "" or, in words, how it failed.

        Raises:
            Lost: The cell ended the worker or took too long.
        """
        wait = self.limits.cell + (self.limits.start if not self.ready else 0)
        request = {"do": "run", "source": source, "name": name, "wanted": wanted}
        reply, _ = self._request(request, b"", wait)
        self.ready = True
        if "error" not in reply:
            return ""
        error = _failure(reply["error"])
        line = f" in line {error['line']}, `{error['text']}`" if error["text"] else ""
        return f"{error['kind']}: {error['message']}{line}"

    def found(self, exercise: Exercise) -> list[dict[str, Any]]:
        """What the exercise's name was bound to, one entry per value, in order."""
        request = {"do": "find", "name": exercise.name, "arguments": list(exercise.arguments)}
        reply, _ = self._request(request, b"", self.limits.cell)
        values = reply.get("done")
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            raise _forgery("a list of values was wanted")
        words = ({key: _words(value.get(key, "")) for key in ("misfit", "text")} for value in values)
        return [{"callable": v.get("callable") is True, **w} for v, w in zip(values, words, strict=True)]

    def answer(self, exercise: Exercise, which: int) -> Call:
        """The value with that number as a function for `examine`: a call of it goes to the worker.

        Raises:
            Trouble: At once, if it cannot be called as the exercise says.
        """
        values = self.found(exercise)
        if which >= len(values):
            raise _forgery("fewer values came than before.")
        value = values[which]
        if exercise.arguments and not value["callable"]:
            says = f"`{exercise.name}` must be a function; it is {value['text']}."
            raise Trouble("not a function", says)
        if exercise.arguments and value["misfit"]:
            says = f"It is called as `{exercise.signature}`, which does not fit yours: {value['misfit']}."
            raise Trouble("wrong arguments", says)
        return lambda *args: self._call(exercise, which, args)

    def use(self, number: int, args: tuple | None) -> Any:
        """What a model in the sandbox makes of an input; with None, its weights.

        Raises:
            Trouble: It raises something.
            Lost: The worker is gone.
        """
        writer = Writer(self._write)
        sent = None if args is None else [writer.put(arg) for arg in args]
        reply, body = self._request({"do": "use", "number": number, "args": sent}, bytes(writer.body))
        if "error" in reply:
            error = _failure(reply["error"])
            says = f"The model that came back raised {error['kind']}: {error['message']}."
            raise Trouble("crash", says)
        return self._taken(reply, body)

    def _call(self, exercise: Exercise, which: int, args: tuple) -> Any:
        self.objects = []
        writer = Writer(self._write)
        sent = [writer.put(arg) for arg in args] if exercise.arguments else None
        request = {"do": "call", "name": exercise.name, "which": which, "args": sent}
        reply, body = self._request(request, bytes(writer.body))
        if "error" in reply:
            error = _failure(reply["error"])
            if error["kind"] == "NotImplementedError" and not error["message"]:
                raise Trouble("not written", NOT_WRITTEN.format(exercise.name))
            if error["kind"] == "Muted":
                raise Trouble("uses the checks", MUTE.format(exercise.name))
            line = f"Line {error['line']}, `{error['text']}`," if error["text"] else "The call itself"
            raise Trouble("crash", explain(line, error["kind"], error["message"], exercise, args))
        got = self._taken(reply, body)
        if isinstance(got, Foreign) and got.kind == "Mute":
            raise Trouble("uses the checks", MUTE.format(exercise.name))
        changed = reply.get("changed")
        for i, (name, arg) in enumerate(zip(exercise.arguments, args, strict=True)):
            if isinstance(changed, list) and i in changed:
                says = DISTURBED if isinstance(arg, nn.Module) else IN_PLACE
                raise Trouble("changes its input", says.format(name))
        return got

    def _taken(self, reply: dict[str, Any], body: bytes) -> Any:
        try:
            return Reader(body, self._read).take(reply.get("done"))
        except Forged as error:
            raise _forgery(str(error)) from None

    def _request(
        self, request: dict[str, Any], body: bytes, seconds: float = 0.0
    ) -> tuple[dict[str, Any], bytes]:
        """Sends a request and gives the reply, after answering whatever the worker asks back.

        Its turn is drawn, so that what was written beforehand in the worker's name is no reply.
        """
        turn = secrets.randbits(63)
        try:
            with self.sandbox.within(seconds or self.limits.call):
                self.sandbox.write(frame({**request, "turn": turn}, body))
                for _ in range(MOST_QUESTIONS):
                    reply, body = read_frame(self.sandbox.read)
                    if reply.get("turn") != turn:
                        raise Forged("it replies to nothing that was asked.")
                    if "ask" not in reply:
                        return reply, body
                    self.sandbox.write(self._reply(reply, body))
        except Forged as error:
            raise _forgery(str(error)) from None
        except EOFError:
            raise self._ended() from None
        raise Lost("too many questions", f"It asked its arguments more than {MOST_QUESTIONS:,} times.")

    def _reply(self, question: dict[str, Any], body: bytes) -> bytes:
        """What one of the judge's own objects says to the submission."""
        given = Reader(body, self._read).take(question.get("with"))
        writer = Writer(self._write)
        try:
            target = _method(self._object(question["ask"]), question.get("method"))
            if question.get("slope") is True:
                done = _slope(target, *given)
            else:
                args, kwargs = given
                done = target(*args, **kwargs)
            return frame({"done": writer.put(done)}, bytes(writer.body))
        except Exception as error:
            return frame({"error": [type(error).__name__, self._untold(str(error))[:500]]})

    def _untold(self, says: str) -> str:
        """A message, without what an object that it describes keeps to itself."""
        return "of one of the objects it was given." if any(repr(o) in says for o in self.objects) else says

    def _object(self, number: Any) -> Any:
        if type(number) is not int or not 0 <= number < len(self.objects):
            raise Forged("an object that was never handed out.")
        return self.objects[number]

    def _write(self, value: Any, writer: Writer) -> dict[str, Any]:
        """A model goes over as its weights, a config as its fields; all else stays here and is asked."""
        if isinstance(value, GPTConfig):
            return {"is": "config", "config": asdict(value)}
        if isinstance(value, GPT):
            state = writer.put(dict(value.state_dict()))
            return {"is": "model", "config": asdict(value.config), "state": state}
        self.objects.append(value)
        methods = [name for name in dir(type(value)) if _own(type(value), name)]
        return {"is": "remote", "number": len(self.objects) - 1, "methods": methods}

    def _read(self, found: dict[str, Any], reader: Reader) -> Any:
        if found["is"] == "remote":
            return self._object(found.get("number"))
        if found["is"] == "module":
            return Module(self, found.get("number"), _words(found.get("type"))[:60])
        if found["is"] == "other":
            return Foreign(_words(found.get("type"))[:60], _words(found.get("text"))[:60])
        raise Forged("a value of no known kind.")

    def _ended(self) -> Lost:
        if self.sandbox.verdict:
            return Lost(self.sandbox.verdict, VERDICTS[self.sandbox.verdict])
        try:
            code = self.sandbox.process.wait(timeout=5)
        except Exception:
            return Lost("ended the process", "It closed the pipe over which it is asked.")
        code = 128 - code if code > 128 else code  # how a sandbox hands on a signal
        how = SIGNALS.get(code, f"ended with exit code {code}")
        return Lost("ended the process", f"It took the whole Python process down, which {how}.")


class Module:
    """A model that an answer gave back: it stays in the sandbox, and is called from here.

    Its outputs are tensors without gradients, as under `torch.no_grad()`.
    """

    def __init__(self, worker: Remote, number: Any, kind: str) -> None:
        self._worker, self._number, self._kind = worker, number, kind

    def __call__(self, *args: Any) -> Any:
        return self._worker.use(self._number, args)

    def state_dict(self) -> dict[str, Tensor]:
        """The weights by their names."""
        return self._worker.use(self._number, None)

    def __repr__(self) -> str:
        return f"{self._kind}(...)"


def _method(target: Any, name: Any) -> Call:
    """What may be called of the judge's objects: themselves, and public methods of their own."""
    if name == "__call__" and callable(target):
        return target
    if not isinstance(name, str) or not _own(type(target), name):
        raise AttributeError(f"it can be called, but has no {name!r} that you could use.")
    return getattr(target, name)


def _own(kind: type, name: str) -> bool:
    """Whether a class, and not Python's or PyTorch's that it comes from, defines a public method."""
    home = next((part for part in kind.__mro__ if name in vars(part)), object)
    inherited = home.__module__.partition(".")[0] in ("builtins", "torch", "typing", "abc")
    return not name.startswith("_") and not inherited and callable(getattr(kind, name))


def _slope(function: Call, x: Tensor, gradient: Tensor) -> Tensor:
    with torch.enable_grad():
        x = x.requires_grad_()
        return torch.autograd.grad(function(x), x, gradient)[0]


def _failure(found: Any) -> dict[str, Any]:
    """A failure as the worker describes it, with every part of the type that it must have."""
    found = found if isinstance(found, dict) else {}
    words = {key: _words(found.get(key, "")) for key in ("kind", "message", "text")}
    line = found.get("line")
    return {**words, "line": line if type(line) is int else 0}


def _words(found: Any) -> str:
    """Text of a submission's for messages: not too long, and nothing in it that moves a terminal's cursor."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in str(found)[:500])


def _forgery(what: str) -> Lost:
    return Lost("garbled", f"What came back cannot be read: {what} Does the notebook write to open files?")
