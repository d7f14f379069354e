"""The file that is handed in: there and back, and whatever a zip may hold instead."""

from __future__ import annotations

import io
import json
import os
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from tinygpt.grading import submission
from tinygpt.grading.submission import pack, unpack

NOTEBOOK = json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes | str]) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return memory.getvalue()


def test_what_was_packed_comes_back(tmp_path: Path) -> None:
    path = pack(tmp_path / "x.tinygpt.zip", "03_attention.ipynb", NOTEBOOK, {"chapter": "03_attention"})
    found = unpack(path)
    assert (found.name, found.notebook, found.intact) == ("03_attention.ipynb", NOTEBOOK, True)
    assert found.manifest["format"] == submission.FORMAT and found.manifest["chapter"] == "03_attention"
    assert unpack(path.read_bytes()) == found
    assert os.listdir(tmp_path) == ["x.tinygpt.zip"]


def test_a_notebook_that_is_not_the_manifests_is_told() -> None:
    about = json.dumps({"sha256": "0" * 64})
    assert not unpack(zipped(("manifest.json", about), ("a.ipynb", NOTEBOOK))).intact


@pytest.mark.parametrize("name", ["../../a.ipynb", "/etc/a.ipynb", "C:\\a.ipynb", "deep/er/a.ipynb"])
def test_names_lead_nowhere(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = unpack(zipped((name, NOTEBOOK)))
    assert found.notebook == NOTEBOOK and found.name == "a.ipynb"
    assert os.listdir(tmp_path) == [] and found.manifest == {}


def test_a_link_is_its_text() -> None:
    link = zipfile.ZipInfo("a.ipynb")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    assert unpack(zipped((link, "/etc/passwd"))).notebook == b"/etc/passwd"


def test_a_bomb_is_read_to_the_limit_and_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submission, "LARGEST", 1000)
    monkeypatch.setattr(submission, "LARGEST_MANIFEST", 1000)
    found = unpack(zipped(("a.ipynb", bytes(10**7)), ("manifest.json", b'{"a":' + b"1" * 10**7 + b"}")))
    assert len(found.notebook) == 1001 and found.manifest == {}


@pytest.mark.parametrize("text", [b"[1]", b"{", b"\xff", b"[" * 200_000, b""], ids=repr)
def test_a_manifest_of_any_kind_harms_nobody(text: bytes) -> None:
    assert unpack(zipped(("manifest.json", text), ("a.ipynb", NOTEBOOK))).manifest == {}


def far_away() -> bytes:
    """A zip whose notebook would lie 2 ** 64 - 1 bytes behind its beginning."""
    name, extra = b"a.ipynb", struct.pack("<HHQ", 1, 8, 2**64 - 1)
    numbers = (45, 0, 45, *[0] * 6, 5, 5, len(name), len(extra), *[0] * 4, 2**32 - 1)
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", *numbers) + name + extra
    return b"PK\3\4" + entry + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(entry), 4, 0)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"not a zip", "is no zip that can be read"),
        (zipped(("manifest.json", "{}")), "holds 0 notebooks; one is wanted"),
        (zipped(("a.ipynb", NOTEBOOK), ("b.ipynb", NOTEBOOK)), "holds 2 notebooks; one is wanted"),
        (zipped(("a.ipynb", os.urandom(5000)))[:3000], "is no zip that can be read"),
        (far_away(), "is no zip that can be read"),
    ],
    ids=["text", "none", "two", "cut off", "an address beyond all files"],
)
def test_what_is_no_submission_is_refused_in_a_sentence(content: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        unpack(content)


def test_only_plain_compression_is_read() -> None:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a.ipynb", NOTEBOOK)
    with pytest.raises(ValueError, match="compressed in a way that is not read here"):
        unpack(memory.getvalue())


def test_a_damaged_or_locked_notebook_is_refused_in_a_sentence() -> None:
    whole = bytearray(zipped(("a.ipynb", os.urandom(5000))))
    whole[100] ^= 255
    locked = bytearray(zipped(("a.ipynb", NOTEBOOK)))
    locked[6] |= 1  # the flag that says a password is needed, in both headers
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    for content in (whole, locked):
        with pytest.raises(ValueError, match="is no zip that can be read"):
            unpack(bytes(content))
