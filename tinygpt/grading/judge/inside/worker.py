"""The end of the pipe inside the sandbox: runs a notebook's cells, and answers calls of what they define.

It runs alone, with the files beside it, in a process that belongs to the submission: nothing in here is to be
trusted, and nothing in here knows what is right. The judge checks all that comes from it.
"""

from __future__ import annotations

import inspect
import json
import linecache
import os
import sys
import traceback
from contextlib import suppress
from typing import Any

HERE = os.path.dirname(os.path.abspath(__file__))
ERRORS = {kind.__name__: kind for kind in (ValueError, TypeError, IndexError, KeyError, AttributeError)}


def main() -> None:
    """Takes the pipe away from whatever the submission prints or reads, then serves until it closes."""
    requests, replies = os.dup(0), os.dup(1)
    if os.name == "nt":
        import msvcrt

        for number in (requests, replies):
            msvcrt.setmode(number, os.O_BINARY)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    terms = json.loads(sys.argv[1])
    sys.path.insert(0, terms["path"])
    sys.path.append(os.path.dirname(HERE))
    os.chdir(terms["home"])
    import torch  # now, so that the limits need not allow for the files that loading it opens

    torch.set_num_threads(1)
    confine(terms)
    Worker(requests, replies).serve()


def confine(terms: dict[str, Any]) -> None:
    """Sets limits that cannot be lifted again, and becomes the guest that root has named, if it has."""
    try:
        import resource
    except ImportError:  # Windows, where only a student's own work runs
        return
    for name, most in terms["limits"].items():
        resource.setrlimit(getattr(resource, name), (most, most))
    if terms["guest"]:
        os.setgroups([])
        os.setgid(terms["guest"])
        os.setuid(terms["guest"])
    from inside.refuse import refuse

    refuse()


class Worker:
    """The state of one submission: its names, and every value that a wanted name has had."""

    def __init__(self, requests: int, replies: int) -> None:
        from inside import cells, objects, wire

        self.cells, self.objects, self.wire = cells, objects, wire
        self.requests, self.replies, self.process = requests, replies, os.getpid()
        self.names: dict[str, Any] = {"__name__": "__main__", "get_ipython": cells.Mute()}
        self.values: dict[str, list[Any]] = {}
        self.kept: list[Any] = []
        self.turn = 0  # of the request that is being answered
        sys.meta_path.insert(0, cells.Mutes("tinygpt.grading"))

    def serve(self) -> None:
        """Answers request after request: {"do": …} in, {"done": …} or {"error": …} out, by its number."""
        does = {"run": self.run, "find": self.find, "call": self.call, "use": self.use}
        while True:
            request, body = self.wire.read_frame(self._read)
            self.turn = request["turn"]
            try:
                reply = does[request["do"]](request, body)
            except BaseException as error:
                reply = self._frame({"error": self.failure(error)})
            if os.getpid() != self.process:  # a copy of this process that the submission made
                os._exit(0)
            self._write(reply)

    def run(self, request: dict[str, Any], body: bytes) -> bytes:
        """Runs one cell, and notes what the wanted names are bound to after it."""
        source, name = request["source"], request["name"]
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        try:
            if code := self.cells.compiled(source, name):
                exec(code, self.names)
        except Exception as error:
            if not self.cells.muted(error):
                raise
        finally:
            for wanted in request["wanted"]:
                had = self.values.setdefault(wanted, [])
                if wanted in self.names and not any(self.names[wanted] is value for value in had):
                    had.append(self.names[wanted])
        return self._frame({"done": None})

    def find(self, request: dict[str, Any], body: bytes) -> bytes:
        """Every value that a name was bound to, and whether it can be called as the exercise says."""
        values = self.values.get(request["name"], [])
        return self._frame({"done": [self.look(value, request["arguments"]) for value in values]})

    def look(self, value: Any, arguments: list[str]) -> dict[str, Any]:
        misfit = ""
        with suppress(ValueError):  # a built-in that does not tell its signature
            try:
                inspect.signature(value).bind(*arguments) if callable(value) else None
            except TypeError as error:
                misfit = str(error)[:500]
        text = f"{type(value).__name__} {value!r}"[:60]
        return {"callable": callable(value), "misfit": misfit, "text": text}

    def call(self, request: dict[str, Any], body: bytes) -> bytes:
        """The value of a name, called if there is anything to call it with, and which arguments changed."""
        value = self.values[request["name"]][request["which"]]
        if request["args"] is None:
            return self._done(value)
        args = self._taken(request["args"], body)
        before = [self.objects.printed(arg) for arg in args]
        home = getattr(getattr(value, "__code__", None), "co_filename", "")
        try:
            got = value(*args)
        except Exception as error:
            return self._frame({"error": self.failure(error, home)})
        changed = [i for i, arg in enumerate(args) if self.objects.printed(arg) != before[i]]
        return self._done(got, changed)

    def use(self, request: dict[str, Any], body: bytes) -> bytes:
        """What a model that an answer gave back makes of an input, or its weights."""
        model = self.kept[request["number"]]
        if request["args"] is None:
            return self._done(dict(model.state_dict()))
        import torch

        with torch.no_grad():
            return self._done(model(*self._taken(request["args"], body)))

    def ask(self, question: dict[str, Any], given: Any) -> Any:
        """What the judge answers when one of its own objects is asked."""
        writer = self._writer()
        question = {**question, "with": writer.put(given)}
        self._write(self._frame(question, bytes(writer.body)))
        reply, body = self.wire.read_frame(self._read)
        if "error" in reply:
            kind, message = reply["error"]
            raise ERRORS.get(kind, RuntimeError)(message)
        return self._reader(body).take(reply["done"])

    def failure(self, error: BaseException, home: str = "") -> dict[str, Any]:
        """An exception in words, with the last line of the answer's own cell on the way to it."""
        frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(HERE)]
        last = next((f for f in reversed(frames) if f.filename == home), frames[-1] if frames else None)
        text = linecache.getline(last.filename, last.lineno or 0) if last else ""
        kind, message, line = type(error).__name__, str(error), last.lineno if last else 0
        if isinstance(error, SyntaxError) and not frames:  # of the cell itself
            message, line, text = error.msg, error.lineno, error.text or ""
        kind = "Muted" if self.cells.muted(error) else kind
        return {"kind": kind[:60], "message": message[:500], "line": line, "text": text.strip()[:200]}

    def _done(self, value: Any, changed: list[int] | None = None) -> bytes:
        writer = self._writer()
        return self._frame({"done": writer.put(value), "changed": changed or []}, bytes(writer.body))

    def _frame(self, header: dict[str, Any], body: bytes = b"") -> bytes:
        return self.wire.frame({**header, "turn": self.turn}, body)

    def _taken(self, args: list[Any], body: bytes) -> list[Any]:
        reader = self._reader(body)
        return [reader.take(arg) for arg in args]

    def _writer(self) -> Any:
        return self.wire.Writer(lambda value, writer: self.objects.handed(value, self.kept))

    def _reader(self, body: bytes) -> Any:
        return self.wire.Reader(body, lambda found, reader: self.objects.known(found, reader, self.ask))

    def _read(self, n: int) -> bytes:
        data = bytearray()
        while len(data) < n:
            part = os.read(self.requests, n - len(data))
            if not part:
                os._exit(0)
            data += part
        return bytes(data)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self.replies, view) :]


if __name__ == "__main__":
    main()
