"""What was handed in: the notebooks of a folder, of a zip, or a single one, and whose they are."""

from __future__ import annotations

import re
import tempfile
import zipfile
import zlib
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tinygpt.grading.gradebook.words import text
from tinygpt.grading.judge.notebook import LARGEST

ENDINGS = (".ipynb", ".zip")  # a zip among the submissions is one student's, as `tinygpt submit` makes it
# What grading leaves in a folder, which may lie among the submissions.
RESULTS = re.compile(
    r"(feedback/[^/]+\.(html|json)|summary\.(html|json)|(gradebook|canvas)\.csv|runs\.jsonl)"
)
LEFT_ALONE = (".ipynb_checkpoints", "__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")
# How Canvas names the files of "Download Submissions": doejane_LATE_12345_678910_homework.ipynb
CANVAS = re.compile(r"(?P<who>[^_/]+)_(?P<late>LATE_)?(?P<id>\d+)_(?P<file>\d+)_[^/]+$", re.I)
IN_UTF8 = 0x800  # the bit of a zip's file whose name is UTF-8; without it zipfile takes cp437
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, OSError)


@dataclass(frozen=True)
class Submission:
    """One file that is to be graded.

    Args:
        name: Its path in what was handed in, without its ending; no two are the same.
        path: Where it lies while the grading goes on.
    """

    name: str
    path: Path

    @property
    def canvas_id(self) -> str:
        """The student's number in Canvas, if the file has the name that Canvas gives it, or ""."""
        return canvas_id(self.name)

    @property
    def late(self) -> bool:
        """Whether Canvas says so."""
        found = CANVAS.search(self.name)
        return bool(found and found["late"])


@dataclass(frozen=True)
class Intake:
    """The submissions in the order of their names, and the names of the files that cannot be graded."""

    submissions: tuple[Submission, ...]
    others: tuple[str, ...]


def canvas_id(name: str) -> str:
    """The student's number in a name that Canvas gave a file, or ""."""
    found = CANVAS.search(name)
    return found["id"] if found else ""


@contextmanager
def intake(source: Path, out: Path | None = None) -> Iterator[Intake]:
    """What was handed in; the files of a zip are there until the block ends.

    Args:
        source: A folder, a zip or a notebook.
        out: The folder of results, which may lie in the source: they were not handed in.

    Raises:
        ValueError: It is neither folder, zip nor notebook, or there is nothing to grade in it.
    """
    with tempfile.TemporaryDirectory(prefix="tinygpt-grade-") as folder:
        if source.is_dir():
            found = {name: path for name, path in _of_folder(source).items() if not _result(path, out)}
        elif source.is_file() and source.suffix.lower() == ".ipynb":
            found = {source.name: source}
        elif source.is_file() and zipfile.is_zipfile(source):
            found = _unpacked(source, Path(folder))
        else:
            raise ValueError(f"submissions must be a folder, a zip or a notebook; got {str(source)!r}.")
        wanted = {name: path for name, path in found.items() if name.lower().endswith(ENDINGS)}
        if not wanted:
            raise ValueError(f"there is no .ipynb file in {str(source)!r}.")
        named = zip(_names(sorted(wanted)), (wanted[name] for name in sorted(wanted)), strict=True)
        submissions = sorted((Submission(*one) for one in named), key=lambda one: one.name)
        yield Intake(tuple(submissions), tuple(sorted(_text(name) for name in found.keys() - wanted.keys())))


def _of_folder(source: Path) -> dict[str, Path]:
    """Every file by its path in the folder. Links are seen and not followed."""
    files = (path for path in source.rglob("*") if path.is_symlink() or not path.is_dir())
    found = {path.relative_to(source).as_posix(): path for path in files}
    return {name: path for name, path in found.items() if not _left_alone(name)}


def _result(path: Path, out: Path | None) -> bool:
    """Whether a file is one that grading has left in `out`."""
    path = path.parent.resolve() / path.name
    if out is None or not path.is_relative_to(out.resolve()):
        return False
    return bool(RESULTS.fullmatch(path.relative_to(out.resolve()).as_posix()))


def _unpacked(source: Path, folder: Path) -> dict[str, Path]:
    """The files of a zip, under numbers of our own: what the zip calls them never names a file here."""
    found = {}
    with zipfile.ZipFile(source) as archive:
        for number, member in enumerate(archive.infolist()):
            parts = [p for p in _called(member).replace("\\", "/").split("/") if p not in ("", ".", "..")]
            if member.is_dir() or not parts or _left_alone("/".join(parts)):
                continue
            stem, dot, ending = "/".join(parts).rpartition(".")
            name = _unused(stem, found, f"{dot}{ending}")
            found[name] = folder / str(number)
            if name.lower().endswith(ENDINGS):
                found[name].write_bytes(_member(archive, member))
    return found


def _called(member: zipfile.ZipInfo) -> str:
    """The name of a file in a zip: many programs write UTF-8 without the bit that says so."""
    if not member.flag_bits & IN_UTF8:
        with suppress(UnicodeError):
            return member.filename.encode("cp437").decode("utf-8")
    return member.filename


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """At most a byte more than the judge reads; a link is the text of its target, what is broken is empty."""
    try:
        with archive.open(member) as file:
            return file.read(LARGEST + 1)
    except BROKEN:
        return b""


def _left_alone(name: str) -> bool:
    parts = name.split("/")
    return any(part in LEFT_ALONE for part in parts) or parts[-1].startswith("._")


def _names(files: list[str]) -> list[str]:
    """Names without endings, unless two files would then have the same one."""
    bare = [_text(Path(file).with_suffix("").as_posix()) for file in files]
    taken: dict[str, Path] = {}
    for file, name in zip(files, bare, strict=True):
        taken[_unused(name if bare.count(name) == 1 else _text(file), taken)] = Path(file)
    return list(taken)


def _unused(stem: str, taken: Container[str], ending: str = "") -> str:
    number, name = 1, f"{stem}{ending}"
    while name in taken:
        number += 1
        name = f"{stem} ({number}){ending}"
    return name


def _text(name: str) -> str:
    """A file's name as text that can be written, also where the bytes of the name are no text."""
    return text(name.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
