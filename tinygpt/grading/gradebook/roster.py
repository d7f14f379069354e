"""Whose a submission is: the rows of Canvas's export, and what names of files say of them."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path, PurePosixPath

from tinygpt.grading.checks import CHAPTERS
from tinygpt.grading.gradebook.graded import Graded
from tinygpt.grading.gradebook.intake import canvas_id

HEAD = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
POINTS = "    Points Possible"  # with the blanks that Canvas writes before it
LETTERS, DIGITS = 3, 5  # what a login and a number need at least to count among other words
MOST_FITS = 4  # words, and students for a word, that one reason names
NOTHING = "no login, number or name of the roster in it"
ENDINGS = re.compile(r"(\.tinygpt|\.ipynb|\.zip|\s*\(\d+\))+$", re.I)  # (1) is a browser's second download

Words = tuple[str, ...]


@dataclass(frozen=True)
class Owners:
    """Whose the submissions are.

    Args:
        rows: The number of the student's row, by the submission's name.
        why: Why no row was found, by the submission's name.
        signed: The submissions that were placed by the name in their zip, which nobody has checked.
    """

    rows: dict[str, int]
    why: dict[str, str]
    signed: tuple[str, ...]


def read_roster(roster: Path) -> list[list[str]]:
    """The rows of Canvas's export, with one for the points if there was none.

    Raises:
        ValueError: There is no such file, or it is no export of Canvas's gradebook.
    """
    wanted = 'a gradebook as Canvas exports it, with the columns "Student" first and "ID"'
    try:
        rows = [row for row in csv.reader(roster.read_text("utf-8-sig").splitlines(keepends=True)) if row]
    except OSError as error:
        says = f"the roster must be {wanted}; {str(roster)!r} cannot be read ({error.strerror})."
        raise ValueError(f"{says} Is the path right?") from None
    except (UnicodeDecodeError, csv.Error):
        raise ValueError(f"{roster} is no CSV in UTF-8. Export the gradebook from Canvas anew.") from None
    if not rows or rows[0][0] != "Student" or "ID" not in rows[0]:
        raise ValueError(f"the roster must be {wanted}; got {', '.join(rows[0] if rows else ['nothing'])}.")
    if not any(is_points(row) for row in rows[1:]):
        rows.insert(1, [POINTS, *[""] * (len(rows[0]) - 1)])
    return rows


def is_points(row: Sequence[str]) -> bool:
    """Whether a row says how many points there are."""
    return row[0].strip().lower() == "points possible"


def is_test(row: Sequence[str]) -> bool:
    """Whether a row is that of Canvas's own test student, who hands in nothing."""
    return {*words(row[0])} == {"student", "test"}


def owners(graded: Sequence[Graded], head: Sequence[str], students: Sequence[Sequence[str]]) -> Owners:
    """Whose each submission is.

    Canvas's number in a file's name decides. Without one, the folders and the file are looked through for a
    login, a number or a name; where they tell nothing, the name in the zip of `tinygpt submit` counts.

    Args:
        graded: What was handed in.
        head: The titles of the roster's columns.
        students: Its rows.
    """
    numbers = {row[head.index("ID")].strip(): i for i, row in enumerate(students)}
    known = [_student(row, head) for row in students]
    rows, why, signed = {}, {}, []
    for one in graded:
        if one.canvas_id:
            meant, nothing = {numbers.get(one.canvas_id)} - {None}, f"number {one.canvas_id} is in no row"
        else:
            meant, nothing = _meant(one.name.split("/"), known), _nearly(one.name, students, known)
            if not meant and (meant := _meant([one.signed], known)):
                signed.append(one.name)
        if len(meant) == 1:
            rows[one.name] = meant.pop()
        else:
            labels = " or ".join(students[i][0] for i in sorted(meant))
            many = "two" if len(meant) == 2 else "several"
            why[one.name] = f"{many} could be meant: {labels}" if meant else nothing
    return Owners(rows, why, tuple(name for name in signed if name in rows))


def apparent(files: Sequence[str], head: Sequence[str], students: Sequence[Sequence[str]]) -> dict[str, int]:
    """The rows of those whose files these seem to be, by their names alone, where just one is meant."""
    numbers = {row[head.index("ID")].strip(): i for i, row in enumerate(students)}
    known = [_student(row, head) for row in students]
    found = {}
    for name in files:
        bare = name.removesuffix(PurePosixPath(name).suffix)
        number = canvas_id(name)
        meant = {numbers.get(number)} - {None} if number else _meant(bare.split("/"), known)
        if len(meant) == 1:
            found[name] = meant.pop()
    return found


def counted(graded: Sequence[Graded], found: Owners) -> list[Graded]:
    """Each student once, with the better submission, and every submission of somebody who is not known."""
    best = best_of(graded, found)
    return [one for one in graded if one.name not in found.rows or best.get(found.rows[one.name]) is one]


def best_of(graded: Sequence[Graded], found: Owners) -> dict[int, Graded]:
    """The submission that counts, by the student's row; those that the judge failed on have no points."""
    best: dict[int, Graded] = {}
    for one in graded:
        row = found.rows.get(one.name)
        if row is not None and not one.error and (row not in best or best[row].earned < one.earned):
            best[row] = one
    return best


@dataclass(frozen=True)
class _Student:
    """What a student may be called, as words.

    Args:
        codes: Logins, numbers, and names written as one word.
        name: All words of the name.
        short: The last name and the first given one, which are enough.
        alone: The last name, and the given ones: enough where there is nothing else.
    """

    codes: frozenset[Words]
    name: frozenset[str]
    short: frozenset[str]
    alone: frozenset[Words]


def _student(row: Sequence[str], head: Sequence[str]) -> _Student:
    cells = {
        title: row[head.index(title)] for title in HEAD if title in head and head.index(title) < len(row)
    }
    login = cells.get("SIS Login ID", "")
    last, first = (words(part) for part in (row[0].partition(",")[::2]))
    if is_test(row):
        return _Student(frozenset(), frozenset(), frozenset(), frozenset())
    texts = (login, login.partition("@")[0], cells.get("SIS User ID", ""), cells["ID"])
    codes = {code for text in texts for code in (words(text), ("".join(words(text)),))}
    if first:
        turned = (last + first, first + last, last + first[:1], first[:1] + last)
        codes |= {("".join(name),) for name in turned}
    short = frozenset(last + first[:1])
    alone = frozenset({last, first, first[:1]} - {()})
    return _Student(frozenset(codes - {(), ("",)}), frozenset(last + first), short, alone)


def _meant(parts: Sequence[str], known: Sequence[_Student]) -> set[int]:
    """The rows of those whom a path speaks of; who is named by more of the same words is meant."""
    spoken = [part for text in parts if (part := _spoken(text))]
    runs = [set(_runs(part)) for part in spoken]
    said = {}
    for i, student in enumerate(known):
        if found := set().union(*(_said(p, r, student) for p, r in zip(spoken, runs, strict=True))):
            said[i] = found
    return {i for i, found in said.items() if not any(found < other for other in said.values())}


def _nearly(name: str, students: Sequence[Sequence[str]], known: Sequence[_Student]) -> str:
    """Why a name speaks of nobody: which of its words fit somebody, and which do not."""
    said = dict.fromkeys(word for part in name.split("/") for word in _spoken(part))
    fits = {
        word: [row[0] for row, one in zip(students, known, strict=True) if word in one.name] for word in said
    }
    if not any(fits.values()):
        return NOTHING
    first = sorted(fits.items(), key=lambda one: not one[1])  # words that fit somebody
    shown = [f"{word} fits {' and '.join(who[:MOST_FITS]) or 'nobody'}" for word, who in first]
    return "; ".join(shown[:MOST_FITS])


def _said(part: Words, runs: set[Words], student: _Student) -> set[str]:
    """The words of one file's or folder's name that speak of a student."""
    said = {word for code in student.codes & runs if _long(code) or code == part for word in code}
    if len(student.short) > 1 and student.short <= {*part}:
        said |= student.name & {*part}
    return said | ({*part} if part in student.alone else set())


def _long(code: Words) -> bool:
    text = "".join(code)
    return len(text) >= (DIGITS if text.isdigit() else LETTERS)


def _spoken(text: str) -> Words:
    """The words of a name, but for endings and the names of chapters; () if only one letter is left."""
    found = list(words(ENDINGS.sub("", text)))
    for chapter in CHAPTERS:
        name = list(words(chapter))
        for at in range(len(found) - len(name), -1, -1):
            if found[at : at + len(name)] == name:
                del found[at : at + len(name)]
    return tuple(found) if len("".join(found)) > 1 else ()


def words(text: str) -> Words:
    """The words of a text, without marks, accents or capitals.

    Example:
        >>> words("03_attention-Zoë-O'Brien")
        ('03', 'attention', 'zoe', 'o', 'brien')
    """
    plain = (c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return tuple(re.findall(r"[^\W_]+", "".join(plain).casefold()))


def _runs(part: Words) -> Iterator[Words]:
    """Every stretch of words."""
    return (part[i:j] for i, j in combinations(range(len(part) + 1), 2))
