"""The learner's best result for every exercise, in one small file of this machine.

Nothing here may ever disturb a check: whatever goes wrong with the file, the check goes on.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from tinygpt.data.cache import write_whole
from tinygpt.grading.result import Result

FORMAT = 1
LARGEST = 4 << 20
PATIENCE = 0.3  # seconds that a check may wait for another kernel's to be noted
MOST = 1000  # entries of a kind
FIELDS: dict[str, dict[str, type]] = {
    "exercises": {"earned": int, "possible": int, "passed": str},
    "quiz": {"right": bool, "asks": str},
}
UNTRIED = ("not written", "nobody accused")
Record = dict[str, Any]


def home_folder() -> Path:
    """Where this package keeps what a learner would miss; `TINYGPT_HOME` names another place."""
    chosen = os.environ.get("TINYGPT_HOME")
    return Path(chosen).expanduser() if chosen else _system_data() / "tinygpt"


def record_path() -> Path:
    return home_folder() / "progress.json"


def enabled() -> bool:
    """Whether results are kept: not with `TINYGPT_PROGRESS=off`, nor after `tinygpt progress --off`."""
    if os.environ.get("TINYGPT_PROGRESS", "").lower() in ("off", "0", "no", "false"):
        return False
    return load_record().get("on", True)


def load_record() -> Record:
    """What is kept; an empty record where there is no file, or none that can be read."""
    empty: Record = {"format": FORMAT, "on": True, "exercises": {}, "quiz": {}}
    try:
        with record_path().open("rb") as file:
            found = json.loads(file.read(LARGEST))
        return sound(found, empty)
    except (OSError, ValueError, RecursionError):
        return empty


def sound(found: Any, empty: Record) -> Record:
    """The parts of a file that are what they must be, so that whoever reads on need not look again."""
    found = found if isinstance(found, dict) else {}
    number = found.get("format")
    parts = {part: dict(_entries(found.get(part), FIELDS[part])) for part in FIELDS}
    head = {"format": number if type(number) is int else FORMAT, "on": found.get("on") is not False}
    return {**empty, **parts, **head}


def _entries(found: Any, fields: dict[str, type]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, entry in list(found.items())[:MOST] if isinstance(found, dict) else ():
        if isinstance(entry, dict) and all(type(entry.get(field)) is kind for field, kind in fields.items()):
            yield name[:80], {f: entry[f][:80] if kind is str else entry[f] for f, kind in fields.items()}


def note(result: Result) -> None:
    """Keeps a result if it is better than what is kept. It never raises and waits at most a moment."""
    if result.kind != "public" or result.mistake in UNTRIED:
        return
    passed = _today() if result.passed else ""
    entry = {"earned": result.earned, "possible": result.possible, "passed": passed}
    _quietly(lambda record: better(record, {"exercises": {result.name: entry}}))


def note_answer(question: str, right: bool) -> None:
    """Keeps that a quiz question was answered in Python. It never raises and waits at most a moment."""
    key = hashlib.sha256(question.encode()).hexdigest()[:12]
    _quietly(lambda record: better(record, {"quiz": {key: {"right": right, "asks": question[:80]}}}))


def better(record: Record, news: Record) -> Record:
    """Both records in one, with the best of each entry and the first time that it was passed.

    Example:
        >>> one = {"exercises": {"rope": {"earned": 3, "possible": 5, "passed": ""}}}
        >>> two = {"exercises": {"rope": {"earned": 1, "possible": 5, "passed": ""}}}
        >>> better(one, two)["exercises"]["rope"]["earned"]
        3
    """
    exercises, quiz = dict(record.get("exercises", {})), dict(record.get("quiz", {}))
    for name, new in news.get("exercises", {}).items():
        old = exercises.get(name, {"earned": -1})
        best = dict(max(old, new, key=lambda entry: entry["earned"]))
        best["passed"] = min(filter(None, (e.get("passed") for e in (old, new))), default="")
        exercises[name] = best
    for key, new in news.get("quiz", {}).items():
        quiz[key] = new if new["right"] or key not in quiz else quiz[key]
    return {**record, "exercises": exercises, "quiz": quiz}


def switch(on: bool) -> None:
    """Turns the keeping on or off. What is kept stays; the file can be deleted.

    Raises:
        OSError: The file cannot be written.
    """
    change(lambda record: {**record, "on": on})


def change(how: Callable[[Record], Record], patience: float = 10.0) -> None:
    """Rewrites the file as a whole, one process after another; a damaged one is kept beside it.

    Raises:
        OSError: It cannot be written, or another process holds it for longer than `patience` seconds.
        ValueError: A later version of tinygpt wrote it.
    """
    path = record_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path.with_suffix(".lock"), patience):
        before = load_record()
        if before["format"] > FORMAT:
            raise ValueError(f"{path} was written by a later version of tinygpt. Update this one.")
        after = how(before)
        if after != before:
            _keep_if_damaged(path)
            write_whole(path, (json.dumps(after, indent=1, ensure_ascii=False) + "\n").encode())


def _quietly(how: Callable[[Record], Record]) -> None:
    """`change`, unless it is switched off, brings nothing new or is not possible."""
    with suppress(Exception):
        record = load_record()
        if enabled() and how(record) != record:
            change(how, PATIENCE)


def _keep_if_damaged(path: Path) -> None:
    with suppress(FileNotFoundError):
        try:
            json.loads(path.read_bytes())
        except (ValueError, RecursionError):
            os.replace(path, path.with_suffix(".damaged"))


@contextmanager
def _alone(path: Path, patience: float) -> Iterator[None]:
    """Holds a lock that ends with the process, so that none is ever left behind."""
    with path.open("a+b") as file:
        ends = time.monotonic() + patience
        while not _locked(file.fileno()):
            if time.monotonic() > ends:
                raise TimeoutError(f"Another process holds {path}. Try again when it is done.")
            time.sleep(0.01)
        yield


def _locked(file: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _today() -> str:
    return datetime.now().astimezone().isoformat(timespec="minutes")


def _system_data() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local")
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share")
