"""The file that is handed in: a zip with one notebook and a manifest that says what its author knew of it.

The manifest is for people. Whoever grades reads the notebook alone, and a plain notebook serves as well.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tinygpt.data.cache import write_whole
from tinygpt.grading.judge.notebook import LARGEST

FORMAT = 1
SUFFIX = ".tinygpt.zip"
MANIFEST = "manifest.json"
LARGEST_MANIFEST = 1 << 20
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError, ValueError, OverflowError)


@dataclass(frozen=True)
class Submission:
    """What was in a submission's file.

    Args:
        name: What the notebook was called.
        notebook: The bytes of the notebook; at most one more than a judge would read.
        manifest: What the file says of itself, which nobody has checked; {} where it says nothing.
    """

    name: str
    notebook: bytes
    manifest: dict[str, Any] = field(default_factory=dict)

    @property
    def intact(self) -> bool:
        """Whether the notebook is the one that the manifest was written for."""
        return self.manifest.get("sha256") == hashlib.sha256(self.notebook).hexdigest()


def pack(target: str | os.PathLike[str], name: str, notebook: bytes, manifest: dict[str, Any]) -> Path:
    """Writes a submission, and returns its path.

    Args:
        target: The file to write; it is replaced as a whole or not at all.
        name: What the notebook is called: "03_attention.ipynb".
        notebook: Its bytes.
        manifest: What to say of it; the format and the notebook's sha256 are added.
    """
    about = {"format": FORMAT, "notebook": name, "sha256": hashlib.sha256(notebook).hexdigest(), **manifest}
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST, json.dumps(about, indent=1, ensure_ascii=False) + "\n")
        archive.writestr(name, notebook)
    write_whole(Path(target), memory.getvalue())
    return Path(target)


def unpack(source: str | os.PathLike[str] | bytes) -> Submission:
    """The notebook and the manifest in a submission's file, or in its bytes. Nothing is written anywhere.

    Names inside the zip lead nowhere, a link is its text, and no more is read than a judge would.

    Raises:
        ValueError: It is no zip with one notebook in it; the message says what was found.
    """
    label = "The submission" if isinstance(source, bytes) else Path(source).name
    try:
        with zipfile.ZipFile(io.BytesIO(source) if isinstance(source, bytes) else source) as archive:
            found = [info for info in archive.infolist() if _is_notebook(info)]
            if len(found) != 1:
                says = f"{label} holds {len(found)} notebooks; one is wanted. Hand in the .ipynb itself."
                raise _Unfit(says)
            notebook = _read(archive, found[0], LARGEST)
            return Submission(
                found[0].filename.replace("\\", "/").split("/")[-1], notebook, _manifest(archive)
            )
    except _Unfit:
        raise
    except UNREADABLE as error:
        says = f"{label} is no zip that can be read ({error}). Make it anew, or hand in the .ipynb itself."
        raise ValueError(says) from None


class _Unfit(ValueError):
    """A zip that is read without trouble and holds the wrong things."""


def _is_notebook(info: zipfile.ZipInfo) -> bool:
    return info.filename.endswith(".ipynb") and "__MACOSX" not in info.filename.split("/")


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, most: int) -> bytes:
    """At most one byte more than `most`, whatever size the zip announces."""
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others may ask for gigabytes
        raise ValueError(f"{info.filename} is compressed in a way that is not read here")
    with archive.open(info) as file:
        return file.read(most + 1)


def _manifest(archive: zipfile.ZipFile) -> dict[str, Any]:
    try:
        text = _read(archive, archive.getinfo(MANIFEST), LARGEST_MANIFEST)
        found = json.loads(text)
    except (*UNREADABLE, KeyError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
