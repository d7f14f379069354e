"""A class in one run: submissions that are right, wrong, crash and loop, with time and peak memory."""

from __future__ import annotations

import ast
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.core import Options, gate, keep
from tinygpt.grading.checks import CHAPTERS
from tinygpt.grading.release import student_notebook

CHAPTER = "03_attention"
SOLUTIONS = Path(__file__).parents[1] / "solutions"
LABEL = re.compile(r"# (right|wrong) answer to (\w+): .+")
# Of a hundred submissions; what is left is "mixed": each answer of it is right or, one time in three, wrong.
SHARES = {
    "right": 20,
    "unwritten": 5,
    "crash": 3,
    "loop in a cell": 1,
    "loop in an answer": 2,
    "no notebook": 1,
}
TROUBLE = {
    "crash": "import os\nos._exit(3)",
    "loop in a cell": "while True:\n    pass",
    "loop in an answer": "def {0}(*args):\n    while True:\n        pass",
}
MAY_BE_RIGHT = ("right", "mixed", "crash", "loop in a cell")  # a cell that does harm is left out
EVERY = 0.5  # seconds between two looks at the memory


def main(options: Options) -> None:
    """Seconds and memory of the whole run. Gates: all are graded, right ones fully, the others not."""
    count = 12 if options.quick else options.submissions
    with tempfile.TemporaryDirectory(prefix="tinygpt-class-") as folder:
        kinds = hand_in(Path(folder, "class"), count)
        command = [sys.executable, "-m", "tinygpt", "grade", f"{folder}/class", "--chapter", CHAPTER]
        # The processes of a container are nobody's children here, so nobody could count their memory.
        found = measured([*command, "--sandbox", "bubblewrap", "--out", f"{folder}/out"])
        runs = [json.loads(line) for line in Path(folder, "out", "runs.jsonl").read_text().splitlines()]
    scores = {run["setting"]["name"]: run["scores"] for run in runs if not run["error"]}
    share = {name: one["earned"] / one["possible"] for name, one in scores.items()}
    seconds = [one["seconds"] for one in scores.values()]
    print(
        f"\n{count} submissions of {CHAPTER}: "
        + ", ".join(f"{n} {k}" for k, n in Counter(kinds.values()).items())
    )
    memory = found["memory"] / 2**30
    print(f"wall {found['wall']:.0f} s, processor {found['cpu']:.0f} s, peak memory {memory:.2f} GB")
    print(f"a submission takes {median(seconds):.1f} s (median), {max(seconds):.0f} s at most")
    gate("every submission is graded, once", len(runs) == len(scores) == count, f"{len(scores)} of {count}")
    full = [name for name, kind in kinds.items() if kind == "right" and share[name] == 1]
    right = Counter(kinds.values())["right"]
    gate("right submissions have full marks", len(full) == right, f"{len(full)} of {right}")
    others = [name for name, kind in kinds.items() if kind not in MAY_BE_RIGHT]
    most = max((share[name] for name in others), default=0.0)
    gate("no other has them", most < 1, f"at most {most:.2f} of the points")
    keep(options, {"title": "judge", "submissions": count, "chapter": CHAPTER, **found, "seconds": seconds})


def hand_in(folder: Path, count: int) -> dict[str, str]:
    """Writes a class's notebooks, the same ones every time, and returns what kind each is, by its name."""
    folder.mkdir()
    rng, solution = random.Random(0), json.loads((SOLUTIONS / f"{CHAPTER}.ipynb").read_text("utf-8"))
    kinds = {}
    for number in range(count):
        kind = next((k for k, most in _upto(SHARES) if 100 * number < most * count), "mixed")
        kinds[f"s{number:03}"] = kind
        path = folder / f"s{number:03}.ipynb"
        path.write_text("{" if kind == "no notebook" else json.dumps(submission(kind, solution, rng)))
    return kinds


def submission(kind: str, solution: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """The notebook of one student."""
    if kind == "unwritten":
        return student_notebook(solution)
    given = [cell for cell in solution["cells"] if "bank" not in cell["metadata"].get("tags", [])]
    added = [_cell(source) for source in _answers(solution, rng)] if kind == "mixed" else []
    if kind in TROUBLE:
        source = TROUBLE[kind].format(rng.choice(CHAPTERS[CHAPTER]).name)
        given.insert(len(given) if kind == "loop in an answer" else len(given) // 2, _cell(source))
    return {**solution, "cells": [*given, *added]}


def measured(command: list[str]) -> dict[str, float]:
    """Wall and processor seconds of a command and its children, and the most memory they held together.

    A process of a sandbox is killed when it is done, so its time is what it had at the last look.
    """
    began, peak, spent = time.perf_counter(), 0, {}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        family = list(_family(process.pid))
        peak = max(peak, sum(map(_memory, family)))
        spent |= {pid: seconds for pid in family if (seconds := _processor(pid))}
        time.sleep(EVERY)
    return {"wall": time.perf_counter() - began, "cpu": sum(spent.values()), "memory": float(peak)}


def _upto(shares: dict[str, int]) -> Iterator[tuple[str, int]]:
    total = 0
    for kind, share in shares.items():
        total += share
        yield kind, total


def _answers(solution: dict[str, Any], rng: random.Random) -> Iterator[str]:
    """For every exercise with a bank an answer from it, with the cells of the bank that it may rest upon."""
    sources = ["".join(cell["source"]) for cell in solution["cells"] if cell["cell_type"] == "code"]
    for exercise in CHAPTERS[CHAPTER]:
        bank = [(m[1], source) for source in sources if (m := LABEL.match(source)) and m[2] == exercise.name]
        wanted = "wrong" if rng.random() < 1 / 3 else "right"
        if chosen := [i for i, (kind, _) in enumerate(bank) if kind == wanted]:
            last = rng.choice(chosen)
            yield from (source for _, source in bank[: last + 1])
            yield f"{exercise.name} = {_name(bank[last][1])}"


def _name(source: str) -> str:
    last = ast.parse(source).body[-1]
    return last.name if isinstance(last, ast.FunctionDef) else ast.unparse(last.targets[0])


def _cell(source: str) -> dict[str, Any]:
    return {"cell_type": "code", "source": source, "metadata": {}, "outputs": [], "execution_count": None}


def _family(pid: int) -> Iterator[int]:
    yield pid
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _family(int(child))


def _processor(pid: int) -> float:
    """Seconds of processor time that a process has taken."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _memory(pid: int) -> int:
    """Bytes of a process; what it shares with others is divided among them."""
    with suppress(OSError):
        found = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)
        return int(found[1]) * 1024 if found else 0
    return 0
