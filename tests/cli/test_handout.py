from __future__ import annotations

from pathlib import Path

import pytest

from tinygpt.cli import handout
from tinygpt.cli.main import main
from tinygpt.publish import paper

NO_BROWSER = "/nowhere/chromium"


@pytest.fixture(autouse=True)
def no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYGPT_CHROMIUM", NO_BROWSER)


def test_it_says_why_there_is_no_pdf(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert handout.run(["03", "--out", str(tmp_path / "a" / "b")]) == 0
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["03_attention.html"]
    said = capsys.readouterr().out
    assert "03_attention.html" in said and "No Chromium or Chrome was found, so no PDF was made." in said


def test_it_names_both_files_alike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = [Path("handouts/03_attention.html")]
    monkeypatch.chdir(tmp_path)
    Path("handouts").mkdir()
    pages[0].with_suffix(".pdf").write_text("")
    pages[0].write_text("<p>a</p>")
    monkeypatch.setattr(paper, "find", lambda: "chromium")
    monkeypatch.setattr(paper, "pdf", lambda page, target: target.resolve())
    handout._papers(pages)
    assert capsys.readouterr().out == "handouts/03_attention.pdf: 0.0 MB\n"
    monkeypatch.setattr(paper, "undrawn", lambda html: "abcdefghi")
    handout._papers(pages)
    assert "  No font here has a b c d e f g h …, so the PDF shows empty boxes." in capsys.readouterr().out


def test_it_writes_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert handout.run(["all", "--no-pdf", "--out", str(tmp_path)]) == 0
    assert len([*tmp_path.glob("*.html")]) == 12 and "PDF" not in capsys.readouterr().out


def test_a_chapter_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["handout", "99"]) == 1
    assert "No chapter begins with '99'" in capsys.readouterr().err
