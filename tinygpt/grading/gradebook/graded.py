"""A submission that has been graded, as the pages and tables want it."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tinygpt.grading.gradebook.intake import Submission
from tinygpt.grading.gradebook.words import text
from tinygpt.scaling import Result as Run

LONGEST_STEM = 140  # bytes: with two digests and the longest ending a file has a name everywhere
LONGEST_SPOKEN = 50  # characters: in UTF-8 four bytes each
DIGESTED = re.compile(r"-[0-9a-f]{12}$", re.I)
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.I)  # names that Windows keeps for itself


@dataclass(frozen=True)
class Graded:
    """One submission and what came of it.

    Args:
        submission: Whose it is.
        run: What the sweep kept: the values that `plain` gives, and flags.
        stem: What its feedback files are called, without ending.
    """

    submission: Submission
    run: Run
    stem: str

    @property
    def name(self) -> str:
        return self.submission.name

    @property
    def canvas_id(self) -> str:
        return self.submission.canvas_id

    @property
    def late(self) -> bool:
        return self.submission.late

    @property
    def error(self) -> str:
        """Why the judge failed on it, or ""."""
        return text(self.run.error)

    @property
    def earned(self) -> int:
        return self.run.scores.get("earned", 0)

    @property
    def possible(self) -> int:
        return self.run.scores.get("possible", 0)

    @property
    def seconds(self) -> float:
        return self.run.scores.get("seconds", 0.0)

    @property
    def exercises(self) -> list[dict[str, Any]]:
        return self.run.scores.get("exercises", [])

    @property
    def problems(self) -> list[str]:
        return self.run.scores.get("problems", [])

    @property
    def signed(self) -> str:
        """The name that the zip of `tinygpt submit` gives its author, which nobody has checked, or ""."""
        return self.run.scores.get("signed", "")

    @property
    def flags(self) -> list[dict[str, Any]]:
        """What a person should look at: each line once, with all the exercises that use it."""
        found: dict[tuple[Any, ...], dict[str, Any]] = {}
        for flag in self.run.scores.get("flags", []):
            line = {key: flag[key] for key in ("cell", "line", "uses", "text")}
            about = found.setdefault(tuple(line.values()), {"exercises": [], **line})
            about["exercises"].append(flag["exercise"])
        return list(found.values())

    @property
    def reviews(self) -> list[str]:
        """The same in sentences."""
        return [_review(flag) for flag in self.flags]

    @property
    def remarks(self) -> list[str]:
        return [f"The judge failed: {self.error}. Grade again to try again."] if self.error else self.problems


def graded(submissions: Sequence[Submission], runs: Sequence[Run]) -> list[Graded]:
    """Submissions with their runs, and with names for files that differ on every file system."""
    stems = [file_stem(one.name) for one in submissions]
    often = Counter(stem.casefold() for stem in stems)
    clash = [often[stem.casefold()] > 1 for stem in stems]
    return [
        Graded(one, run, f"{stem}-{_digest(one.name)}" if also else stem)
        for one, run, stem, also in zip(submissions, runs, stems, clash, strict=True)
    ]


def file_stem(name: str) -> str:
    """A name that is a file's name everywhere; a digest tells apart what such names cannot."""
    flat = unicodedata.normalize("NFC", name).replace("/", "__")
    safe = re.sub(r"[^\w.-]", "_", flat).encode()[:LONGEST_STEM].decode(errors="ignore").strip(".-")
    kept = safe and safe == flat and safe == name.replace("/", "__")
    if kept and not RESERVED.fullmatch(safe) and not DIGESTED.search(safe):
        return safe
    return f"{safe.rstrip('.') or 'submission'}-{_digest(name)}".lstrip("-")


def spoken(name: str) -> str:
    """A file's own name for messages: near to what the student called it, and a file's name as well."""
    safe = re.sub(r"[^\w .,()+-]", "_", name.rpartition("/")[2])[:LONGEST_SPOKEN].strip(" .")
    return f"_{safe}" if not safe or RESERVED.fullmatch(safe) else safe


def _review(flag: dict[str, Any]) -> str:
    who = f"{' and '.join(flag['exercises'])} {'uses' if len(flag['exercises']) == 1 else 'use'}"
    place = f" (cell {flag['cell']}, line {flag['line']})" if flag["cell"] else ""
    return f"{who} {flag['uses']}{place}."


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
