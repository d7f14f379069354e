import sys

import pytest

from tinygpt.data import cache_folder
from tinygpt.data.cache import write_whole


def test_the_environment_chooses(cache):
    assert cache_folder() == cache and cache.is_dir()


@pytest.mark.parametrize(
    ("system", "variable", "inner"),
    [("linux", "XDG_CACHE_HOME", "tinygpt"), ("win32", "LOCALAPPDATA", "tinygpt")],
)
def test_the_systems_own_place(tmp_path, monkeypatch, system, variable, inner):
    monkeypatch.delenv("TINYGPT_CACHE", raising=False)
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setenv(variable, str(tmp_path))
    assert cache_folder() == tmp_path / inner


def test_write_whole_replaces_and_leaves_nothing_else(tmp_path):
    for content in (b"old", b"new"):
        write_whole(tmp_path / "file", content)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("file", b"new")]


def test_a_crash_while_writing_keeps_the_old_content(tmp_path, monkeypatch):
    write_whole(tmp_path / "file", b"old")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"
