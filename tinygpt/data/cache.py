"""Where files that take time to make or fetch are kept."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """The user's cache folder for this package, made if absent; `TINYGPT_CACHE` names another.

    Example:
        >>> cache_folder().is_dir()
        True
    """
    chosen = os.environ.get("TINYGPT_CACHE")
    folder = Path(chosen).expanduser() if chosen else _system_caches() / "tinygpt"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is never seen half written, not even by another process or after a crash."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    partial.write_bytes(content)
    os.replace(partial, path)


def _system_caches() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local")
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
