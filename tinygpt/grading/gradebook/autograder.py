"""The zip that Gradescope wants: how to set up its container, and what to run for every submission."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from tinygpt.grading.judge.private import hidden_cases, private_files

PACKAGE = Path(__file__).parents[2]
SETUP = """#!/usr/bin/env bash
# Gradescope runs this once, when it builds the container: Ubuntu 22.04 with Python 3.10.
set -euo pipefail
apt-get update
apt-get install -y --no-install-recommends python3 python3-venv bubblewrap
python3 -m venv /autograder/venv
/autograder/venv/bin/pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu \\
    -r /autograder/source/requirements.txt
"""
RUN = """#!/usr/bin/env bash
# Gradescope runs this for every submission, in a container of its own, and reads results/results.json.
root="${AUTOGRADER_ROOT:-/autograder}"
umask 022
mkdir -p "$root/results"
cat > "$root/results/results.json" <<'END'
{"score": 0, "output_format": "text",
 "output": "The autograder was stopped before its end: no memory or no time was left. Hand in again, or ask."}
END
chmod 700 "$root/source/hidden" 2> /dev/null  # for the judge alone, which runs a submission as somebody else
cd /
PYTHONPATH="$root/source" OMP_NUM_THREADS=1 exec "${AUTOGRADER_PYTHON:-$root/venv/bin/python}" \\
    -m tinygpt.grading.gradebook.gradescope "$root"
"""


def write_autograder(chapter: str, target: Path, private: str | Path | None = None) -> Path:
    """Writes an autograder for one chapter, and returns its path.

    Args:
        chapter: The name of the chapter.
        target: The zip to write.
        private: A folder with hidden checks, which go into the zip.

    Raises:
        ValueError: The hidden checks are wrong.
    """
    hidden = private_files(Path(private), chapter) if private else {}
    hidden_cases({name: path.read_bytes() for name, path in hidden.items()})
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.part")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, "setup.sh", SETUP, 0o755)
        _add(archive, "run_autograder", RUN, 0o755)
        _add(archive, "requirements.txt", "\n".join(requirements()) + "\n")
        _add(archive, "chapter.json", json.dumps(chapter) + "\n")
        for name, path in hidden.items():
            _add(archive, f"hidden/{name}", path.read_text("utf-8"), 0o600)
        for path in _sources():
            archive.write(path, f"tinygpt/{path.relative_to(PACKAGE).as_posix()}")
    partial.replace(target)
    return target


def requirements() -> Iterator[str]:
    """What the package needs, without its extras, as pip reads it."""
    for line in metadata.requires("tinygpt") or []:
        if not re.search(r";.*\bextra\b", line):
            yield line


def _sources() -> Iterator[Path]:
    return (path for path in sorted(PACKAGE.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)


def _add(archive: zipfile.ZipFile, name: str, text: str, mode: int = 0o644) -> None:
    info = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
    info.external_attr = mode << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(info, text)
