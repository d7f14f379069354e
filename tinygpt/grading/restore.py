"""Brings back what `save_work` saved, and loses nothing of what stands there."""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tinygpt.data.cache import write_whole
from tinygpt.grading import record, shipped
from tinygpt.grading.submission import UNREADABLE
from tinygpt.grading.work import ABOUT, FORMAT, LARGEST, SAFE, course_root, untouched

LARGEST_TOTAL = 500 << 20  # bytes of all files, unpacked


@dataclass(frozen=True, repr=False)
class Loaded:
    """What was put back, the copies of what stood there before, and what to know. It shows itself."""

    names: tuple[str, ...]
    copies: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        lines = [f"Put back: {', '.join(self.names) or 'nothing, all of it is here already'}."]
        lines += [f"What stood there before is in {copy.name}." for copy in self.copies]
        lines += ["Is one of them open? Close its tab without saving, and open it again."] * bool(self.names)
        return "\n".join([*lines, *self.notes])


def load_work(file: str | os.PathLike[str], *, root: str | os.PathLike[str] | None = None) -> Loaded:
    """Puts back what `save_work` saved. Nothing of yours is lost: what stands there before is kept as a copy.

    Args:
        file: The zip.
        root: The folder that holds `course/` and `exercises/`; None looks here and above.

    Returns:
        What was done, which shows itself.

    Raises:
        ValueError: It is no such zip, or a later version of tinygpt made it; then nothing was written.
    """
    root = Path(root) if root else course_root()
    about, contents, notes = _contents(Path(file).expanduser())
    before, now = _texts(about.get("shipped")), shipped.digests()
    names, copies = [], []
    for name, content in contents.items():
        target, changed = root / name, before.get(name) != now.get(name)
        strange = target.is_symlink() or (target.exists() and not target.is_file())
        if strange or not target.parent.resolve().is_relative_to(root.resolve()):
            notes.append(f"Not put back, since a link or folder stands there: {name}")
        elif not target.exists() or target.read_bytes() != content:
            copies += _copied(target, None if changed else now.get(name))
            target.parent.mkdir(parents=True, exist_ok=True)
            write_whole(target, content)
            names.append(name)
            notes += [f"{name} has changed in the course since you saved yours."] * changed
    return Loaded(tuple(names), tuple(copies), tuple(notes + _progress(about)))


def _contents(file: Path) -> tuple[dict[str, Any], dict[str, bytes], list[str]]:
    """What a zip says of itself, the files that may be put back, and why others are not."""
    if not file.is_file():
        raise ValueError(f"There is no file {str(file)!r}. Say where it is, from {Path.cwd()}.")
    contents, notes, total = {}, [], 0
    try:
        with zipfile.ZipFile(file) as archive:
            about = _about(archive)
            for info in archive.infolist():
                if info.filename == ABOUT:
                    continue
                content = _read(archive, info)
                total += len(content)
                if total > LARGEST_TOTAL:
                    raise ValueError(f"it unpacks to more than {LARGEST_TOTAL >> 20} MB")
                if SAFE.fullmatch(info.filename) and len(content) <= LARGEST:
                    contents[info.filename] = content
                else:
                    notes.append(f"Not put back, since no work has such a name or size: {info.filename!r}")
    except (*UNREADABLE, KeyError, RecursionError) as error:
        raise ValueError(f"{file} is not a file that `tinygpt save` made: {error}.") from None
    return about, contents, notes


def _about(archive: zipfile.ZipFile) -> dict[str, Any]:
    found = json.loads(_read(archive, archive.getinfo(ABOUT)))
    number = found.get("format") if isinstance(found, dict) else None
    if type(number) is not int or number > FORMAT:
        raise ValueError(f"its format is {number!r}, and this tinygpt reads up to {FORMAT}. Update tinygpt")
    return found


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """At most one byte more than the limit, whatever size the zip announces."""
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{info.filename!r} is compressed in a way that is not read here")
    with archive.open(info) as member:
        return member.read(LARGEST + 1)


def _copied(target: Path, shipped_as: str | None) -> list[Path]:
    """Keeps what stands at a place under another name, unless it is what was shipped."""
    if not target.exists() or (shipped_as and untouched(target, shipped_as)):
        return []
    time, number = f"{datetime.now():%Y%m%d-%H%M%S}", 1
    while (copy := target.with_name(f"{target.stem}-before-load-{time}-{number}{target.suffix}")).exists():
        number += 1
    write_whole(copy, target.read_bytes())
    return [copy]


def _progress(about: dict[str, Any]) -> list[str]:
    """Adds the saved progress to what is kept here, the best of both; says so where that is not possible."""
    saved = record.sound(about.get("progress"), record.load_record())
    try:
        record.change(lambda here: record.better(here, saved))
    except (OSError, ValueError) as error:
        return [f"Your progress could not be put back: {error}"]
    return []


def _texts(found: Any) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}
