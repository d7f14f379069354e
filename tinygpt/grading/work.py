"""A learner's work in one file, for a session that will be gone; `restore.py` brings it back."""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
from dataclasses import dataclass
from datetime import datetime, timezone
from html import escape
from pathlib import Path
from typing import Any

from tinygpt.data.cache import write_whole
from tinygpt.grading import record, shipped
from tinygpt.grading.download import deliver, link
from tinygpt.grading.own import on_colab, open_notebook
from tinygpt.grading.sheet import digest, parsed

FORMAT = 1
ABOUT = "about.json"
LARGEST = 50 << 20  # bytes of one file
CHECKPOINTS = 20 << 20  # bytes of one checkpoint that is worth taking along
FOLDERS = ("course", "exercises")
# No script but the texts that `reset` keeps: one called torch.py would run wherever torch is imported.
SAFE = re.compile(
    r"(?:course|exercises)/(?:[\w-][\w .()-]*/){0,3}[\w-][\w .()-]*"
    r"\.(?:ipynb|safetensors|before-reset(?:-\d+)?\.py)"
)


@dataclass(frozen=True, repr=False)
class Saved:
    """The file that was written, what is in it, and what was left out. It shows itself, with a link."""

    file: Path
    names: tuple[str, ...]
    left_out: tuple[str, ...] = ()

    def __repr__(self) -> str:
        kept = ", ".join(self.names) or "no notebook that differs from the shipped ones"
        lines = [
            f"{self.file.name} ({self.file.stat().st_size / 1e6:.1f} MB) holds your progress and: {kept}."
        ]
        lines += [f"Left out: {name}" for name in self.left_out]
        lines += ["It holds notebooks as you last saved them: press Ctrl-S (or ⌘S) first, then call this."]
        back = f"tg.load_work({self.file.name!r}), or in a terminal: tinygpt load {self.file.name}"
        lines += [f"Download it, and bring it back in another session: {back}"]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        lines = "".join(f"<p>{escape(line)}</p>" for line in repr(self).splitlines())
        return f'<div role="status">{lines}{link(self.file)}</div>'

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self._repr_html_(), "text/plain": repr(self)}


def save_work(
    out: str | os.PathLike[str] | None = None, *, root: str | os.PathLike[str] | None = None
) -> Saved:
    """Writes one zip with your work: for Binder, say, which forgets a session after 10 idle minutes.

    It takes the notebooks in `course/` and `exercises/` that differ from the shipped ones, checkpoints of at
    most 20 MB beside them, and your progress. In a notebook it shows a link; Colab downloads at once.

    Args:
        out: The file to write; None names it after the time, in the present folder.
        root: The folder that holds `course/` and `exercises/`; None looks here and above.

    Returns:
        What was written, which shows itself.

    Raises:
        ValueError: There is no course here and no notebook to save.
    """
    now, folder = datetime.now(timezone.utc), Path(root) if root else course_root()
    found, left_out = _work(folder)
    if on_colab() and not found:
        own = open_notebook(None, "tg.save_work")
        found = {f"exercises/{own.name}": own.content}
    if not found and not any((folder / name).is_dir() for name in FOLDERS):
        raise ValueError(f"There is no course/ or exercises/ at or above {folder}. Call it where they are.")
    about = {"format": FORMAT, "time": now.isoformat(timespec="seconds"), "shipped": shipped.digests()}
    about["progress"] = record.load_record()
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(ABOUT, json.dumps(about, indent=1))
        for name, content in found.items():
            archive.writestr(name, content)
    path = Path(out) if out else Path.cwd() / f"tinygpt-work-{now:%Y%m%d-%H%M%S}.zip"
    write_whole(path, memory.getvalue())
    deliver(path)
    return Saved(path, tuple(found), tuple(left_out))


def course_root() -> Path:
    """The first folder here or above that holds `course/` or `exercises/`; else this one."""
    here = Path.cwd()
    return next((f for f in (here, *here.parents) if any((f / name).is_dir() for name in FOLDERS)), here)


def untouched(path: Path, shipped_as: str | None) -> bool:
    """Whether a notebook is as it was shipped: nothing of anybody's is lost when it goes."""
    try:
        return path.suffix == ".ipynb" and digest(parsed(path.read_bytes(), path.name)) == shipped_as
    except ValueError:
        return False


def _work(root: Path) -> tuple[dict[str, bytes], list[str]]:
    """What a learner has made below a folder, by name, and what is not taken along."""
    found, left_out, now = {}, [], shipped.digests()
    paths = [path for folder in FOLDERS for path in sorted((root / folder).rglob("*")) if path.is_file()]
    for path in paths:
        name, size = path.relative_to(root).as_posix(), path.stat().st_size
        if re.search(r"/[._]|\.zip$", name) or untouched(path, now.get(name, "")):
            continue
        if path.is_symlink() or not SAFE.fullmatch(name):
            left_out.append(f"{name}, which is no notebook or checkpoint")
        elif size > (CHECKPOINTS if path.suffix == ".safetensors" else LARGEST):
            left_out.append(f"{name}, which has {size >> 20} MB")
        else:
            found[name] = path.read_bytes()
    return found, left_out
