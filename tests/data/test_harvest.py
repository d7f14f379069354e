import sysconfig
from pathlib import Path

import pytest

from tinygpt.data import documentation, harvest
from tinygpt.data.harvest import docstrings, is_prose, source_files

PROSE = "Return the number of things that are {} in this long enough sentence."
FILES = {
    "b.py": f'"""{PROSE.format("red")}"""\ndef f():\n    """{PROSE.format("blue")}"""\n',
    "a/c.py": f'class A:\n    """{PROSE.format("green")}"""\n    def g(self):\n        """Too short."""\n',
    "a/d.py": f'def again():\n    """{PROSE.format("red")}"""\n',
    "a/tests/e.py": f'"""{PROSE.format("tested")}"""\n',
    "broken.py": "def (:\n",
    "latin.py": "# \xe9\n",
}


@pytest.fixture
def small(cache, tmp_path, monkeypatch):
    root = tmp_path / "package"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="latin-1")
    monkeypatch.setattr(harvest, "_roots", lambda: [root])
    monkeypatch.setattr(harvest, "_topics", lambda: {"z": PROSE.format("late"), "y": PROSE.format("early")})
    return root


def test_a_document_per_file_without_repeats_tests_and_scraps(small):
    assert documentation().documents == (
        PROSE.format("early"),
        PROSE.format("late"),
        PROSE.format("green"),
        PROSE.format("red"),
        PROSE.format("blue"),
    )


def test_the_second_call_reads_the_cache(small, cache):
    first = documentation()
    for path in small.rglob("*.py"):
        path.unlink()
    assert documentation() == first
    for path in cache.iterdir():
        path.write_text('["half')
    assert len(documentation().documents) == 2  # the topics: harvested again


def test_the_hash_tells_corpora_apart(small, cache):
    first = documentation()
    (small / "b.py").write_text(f'"""{PROSE.format("yellow")}"""')
    for path in cache.iterdir():
        path.unlink()
    assert documentation().sha256 != first.sha256
    assert first.sha256[:16] in repr(first) and "torch" in repr(first)


def test_docstrings_of_a_file_stay_together(small):
    (small / "a/d.py").unlink()
    assert documentation().documents[-1] == f"{PROSE.format('red')}\n\n{PROSE.format('blue')}"


def test_no_sources_at_all(cache, monkeypatch):
    monkeypatch.setattr(harvest, "_roots", list)
    monkeypatch.setattr(harvest, "_topics", dict)
    with pytest.raises(OSError, match="No Python source files"):
        documentation()


def test_docstrings_come_in_the_order_of_lines_and_from_attached_ones():
    source = (
        '"""Module."""\n'
        f'add_docstr(torch.abs, r"""{PROSE.format("attached")}""" + "short")\n'
        'def f():\n    "F."\n    def g():\n        "G."\n'
        'class C:\n    "C."\n'
    )
    assert docstrings(source.encode()) == ["Module.", PROSE.format("attached"), "F.", "G.", "C."]


@pytest.mark.parametrize("source", [b"def (:", b"\x00", b"# coding: nonsense\n", b"'\xff'"])
def test_files_that_are_not_python(source):
    assert docstrings(source) == []


def test_files_come_in_the_same_order_on_every_system(tmp_path):
    names = ["b.py", "a/z.py", "a.py", "a/b/c.py", "B.py", "a_b.py"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert source_files(tmp_path) == [tmp_path / name for name in sorted(names)]


def test_tables_are_not_prose():
    assert is_prose("Compute the mean of the given elements (1 or 2).")
    assert not is_prose("+----+----+\n| 12 | 34 |\n+----+----+")


def test_this_installation_has_documentation():
    files = source_files(Path(sysconfig.get_path("stdlib")))
    assert len(files) > 300 and not any("site-packages" in path.parts for path in files)
    json_module = next(path for path in files if path.parts[-2:] == ("json", "__init__.py"))
    assert "JSON" in docstrings(json_module.read_bytes())[0]
