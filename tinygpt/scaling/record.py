"""The results of a sweep, in one file that only grows."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Result:
    """One run of a sweep.

    Attributes:
        run: the function that was called, as "module:name".
        setting: what it was called with.
        scores: what it returned; empty when it failed.
        seconds: how long it took, in wall time.
        error: why it failed, or "".
    """

    run: str
    setting: dict[str, Any]
    scores: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    error: str = ""

    @property
    def key(self) -> str:
        """What makes two runs the same run."""
        return key(self.run, self.setting)


def key(run: str, setting: Mapping[str, Any]) -> str:
    """Returns what makes two runs the same: the function's name and its setting, in any order."""
    return json.dumps([run, setting], sort_keys=True)


def grid(**choices: Iterable[Any]) -> list[dict[str, Any]]:
    """Returns every combination of the choices, the last name changing fastest.

    Example:
        >>> grid(width=[8, 16], seed=range(2))
        [{'width': 8, 'seed': 0}, {'width': 8, 'seed': 1}, {'width': 16, 'seed': 0}, {'width': 16, 'seed': 1}]
    """
    return [dict(zip(choices, values, strict=True)) for values in product(*choices.values())]


def results(path: str | os.PathLike[str]) -> list[Result]:
    """Returns the results in a file, in the order in which they were finished; none if there is no file.

    A last line that was cut off by a kill is not counted, and the next `append` removes it.

    Raises:
        ValueError: when another line is no result, naming it.
    """
    path = Path(path)
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [_read(path, number, line) for number, line in enumerate(lines, 1)]


def append(path: str | os.PathLike[str], result: Result) -> None:
    """Writes a result to the end of the file, and returns when it is on the disk."""
    line = json.dumps(asdict(result), sort_keys=True).encode() + b"\n"
    with open(path, "ab+") as file:
        file.truncate(_whole(file))
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path, number: int, line: bytes) -> Result:
    try:
        return Result(**json.loads(line))
    except (ValueError, TypeError):
        raise ValueError(
            f"line {number} of {path} is no result of a sweep: {line[:60]!r}. Give the sweep another file, "
            "or take that line out."
        ) from None


def _whole(file: Any) -> int:
    """Returns the length of the file up to its last full line."""
    file.seek(0)
    return file.read().rfind(b"\n") + 1
