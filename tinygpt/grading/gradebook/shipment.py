"""Files inside of a setting: JSON sees their digest, another process or machine gets their bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tinygpt.grading.judge.notebook import LARGEST


class Shipment(str):
    """The digest of some files, as text. A pickle of it holds what is in them; they are read when it is made.

    Example:
        >>> import json, pickle, tempfile
        >>> file = Path(tempfile.mkdtemp(), "a.txt")
        >>> _ = file.write_text("hello")
        >>> sent = Shipment.of({"a": file})
        >>> arrived = pickle.loads(pickle.dumps(sent))
        >>> file.unlink()
        >>> arrived.files(), json.dumps(arrived) == json.dumps(sent)
        ({'a': b'hello'}, True)
    """

    _read: Callable[[], dict[str, bytes | None]]

    @classmethod
    def of(cls, paths: Mapping[str, Path]) -> Shipment:
        """The files at some paths, each under a name."""
        digest = hashlib.sha256()
        for name, path in sorted(paths.items()):
            part = content(path)
            digest.update(repr((name, None if part is None else hashlib.sha256(part).digest())).encode())
        return _shipment(digest.hexdigest(), lambda: {name: content(path) for name, path in paths.items()})

    def files(self) -> dict[str, bytes | None]:
        """What is in each file, as `content` reads it."""
        return self._read()

    def __reduce__(self) -> tuple[Any, ...]:
        return _arrived, (str(self), self.files())


def content(path: Path) -> bytes | None:
    """The first `LARGEST` + 1 bytes of a file; None for a link, a pipe or a file that may not be read."""
    try:
        if path.is_symlink() or not path.is_file():
            return None
        with path.open("rb") as file:
            return file.read(LARGEST + 1)
    except OSError:
        return None


def _shipment(digest: str, read: Callable[[], dict[str, bytes | None]]) -> Shipment:
    made = Shipment(digest)
    made._read = read
    return made


def _arrived(digest: str, files: dict[str, bytes | None]) -> Shipment:
    return _shipment(digest, lambda: files)
