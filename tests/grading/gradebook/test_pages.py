"""Feedback and the class summary: what is said, what is withheld, and that no text becomes HTML."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch

from tinygpt.grading.excerpt import Excerpt
from tinygpt.grading.gradebook.graded import Graded, graded
from tinygpt.grading.gradebook.intake import Submission
from tinygpt.grading.gradebook.plain import plain
from tinygpt.grading.gradebook.words import LONGEST, text
from tinygpt.grading.gradebook.write import write_results
from tinygpt.grading.judge import Report
from tinygpt.grading.picture import Picture
from tinygpt.grading.result import Outcome, Result
from tinygpt.scaling import Result as Run

EVIL = '"></p><script>alert(1)</script><img src=x onerror=alert(2)>\ud800\x00\u202e'
SECRET = "SECRET7391"
PICTURE = Picture.of(torch.tensor([[1.0, float("nan")]]), torch.tensor([[1.0, 0.5]]))


def report(passed: bool = False) -> Report:
    """Two exercises with hidden checks of one of them, all of whose texts a submission has chosen."""
    good, bad = Outcome("easy", 2, True), Outcome("hard", 3, passed, "" if passed else EVIL)
    asked = {"ids": [EVIL]}
    excerpt = Excerpt.of([[EVIL, 2]], [["b", 2]], 0.0, asked)
    results = (
        Result("attention_weights", (good, bad), "public", "" if passed else "not scaled", EVIL, PICTURE),
        Result("causal_attention", (bad,), "public", "" if passed else "crash", EVIL, excerpt),
        Result(
            "causal_attention",
            (Outcome("long", 4, False, SECRET),),
            "hidden",
            "future leaks",
            SECRET,
            PICTURE,
        ),
    )
    return Report("x", results, (f"Cell 1: {EVIL}",), 2.0)


def classroom(*names: str) -> list[Graded]:
    flag = {"exercise": "rope", "cell": 2, "line": 3, "uses": "a.b", "text": text(EVIL)}
    runs = [
        Run("", {}, json.loads(json.dumps({**plain(report(passed=i % 2 == 1)), "flags": [flag]})))
        for i in range(len(names))
    ]
    return graded([Submission(name, Path()) for name in names], runs)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    made = classroom(f"<b>{text(EVIL)}", "kim", "roe_LATE_5_6_hw")
    bad = Graded(Submission("bad", Path()), Run("", {}, {}, 0.0, "<i>boom"), "bad")
    write_results(tmp_path, "03_attention", [*made, bad], ["<u>essay.pdf"], None, "Week 3")
    return tmp_path


class Reader(HTMLParser):
    """The tags of a page, and whether every one is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: set[str] = set()
        self.headings: list[int] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.headings += [int(tag[1])] if re.fullmatch("h[1-6]", tag) else []
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def pages(out: Path) -> list[Path]:
    return sorted(out.rglob("*.html"))


def test_every_submission_has_its_files_and_nothing_half_written_is_left(out: Path) -> None:
    stems = sorted(path.stem for path in (out / "feedback").glob("*.json"))
    assert stems == sorted(path.stem for path in (out / "feedback").glob("*.html")) and len(stems) == 4
    assert not list(out.rglob("*.part"))
    names = {path.name for path in out.iterdir()}
    assert names == {"feedback", "gradebook.csv", "canvas.csv", "summary.html", "summary.json"}


def test_no_text_of_a_submission_becomes_html(out: Path) -> None:
    for path in pages(out):
        page = path.read_text(encoding="utf-8")
        reader = Reader()
        reader.feed(page)
        assert not reader.open and not {"script", "img", "b>", "i", "u", "svg", "iframe", "link"} & {
            *reader.tags
        }
        assert not {name for name in reader.attributes if name.startswith("on")}
        assert "default-src 'none'" in page and "http" not in page.replace("http-equiv", "")
        assert not set("\x00\u202e\ud800") & set(page)


def test_headings_begin_with_one_and_leave_out_none(out: Path) -> None:
    for path in pages(out):
        reader = Reader()
        reader.feed(path.read_text(encoding="utf-8"))
        assert reader.headings[0] == 1 and reader.headings.count(1) == 1
        assert all(b <= a + 1 for a, b in zip(reader.headings, reader.headings[1:], strict=False))


def test_hidden_checks_show_titles_points_and_the_mistake_only(out: Path) -> None:
    for path in (path for path in out.rglob("*") if path.is_file()):
        assert SECRET not in path.read_text(encoding="utf-8"), path
    found = json.loads((out / "feedback" / "kim.json").read_text(encoding="utf-8"))
    hidden = {"title": "long", "points": 4, "passed": False, "finding": ""}
    about = {"name": "causal_attention", "kind": "hidden", "earned": 0, "possible": 4}
    more = {"mistake": "future leaks", "diagnosis": "", "checks": [hidden], "picture": ""}
    assert found["exercises"][2] == {**about, **more}
    page = (out / "feedback" / "kim.html").read_text(encoding="utf-8")
    section = page[page.index('id="hidden-causal_attention"') :]
    assert "future leaks" in section and "long" in section and "Expected" not in section


def test_feedback_has_score_diagnosis_and_picture(out: Path) -> None:
    first = next(path for path in pages(out / "feedback") if path.stem.startswith("_b_"))
    page = first.read_text(encoding="utf-8")
    assert "2 of 12 points" in page and "What to look at." in page and "wanted" in page and "nan" in page
    assert "review" not in page.lower() and "a.b" not in page  # a person decides about flags first


def test_the_summary_counts_checks_misconceptions_scores_and_names_who(out: Path) -> None:
    found = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    name = next(n for n in (f["name"] for f in found["review"]) if n.startswith("<b>"))
    first = found["exercises"][0]
    assert (first["name"], first["earned"], first["possible"], first["full"]) == (
        "attention_weights",
        9,
        15,
        1,
    )
    assert first["checks"] == [
        {"title": "easy", "failed": 0, "mistakes": {}},
        {"title": "hard", "failed": 2, "mistakes": {"not scaled": 2}},
    ]
    assert first["mistakes"] == [{"name": "not scaled", "who": [name, "roe_LATE_5_6_hw"]}]
    assert found["scores"]["parts"] == [0, 2, 0, 0, 0, 0, 1, 0, 0, 0] and found["scores"]["mean"] == 4.0
    assert found["seconds"]["total"] == 6.0 and found["late"] == ["roe_LATE_5_6_hw"]
    assert found["failed"] == [{"name": "bad", "error": "<i>boom"}] and found["others"] == ["<u>essay.pdf"]
    assert found["not_in_canvas"] == [name, "kim", "bad"] and len(found["problems"]) == 3
    page = (out / "summary.html").read_text(encoding="utf-8")
    for said in ("4 submissions", "To review", "cell 2, line 3", "&lt;i&gt;boom", "not scaled: 2 students"):
        assert said in page
    links = set(re.findall(r'href="(feedback/[^"]+)"', page))
    assert len(links) == 4 and all((out / link).exists() for link in links)


def test_the_place_of_a_difference_is_no_html_either() -> None:
    assert "<b>" not in Excerpt("", '["<b>"]', ("1",), ("2",), 0).html()


def test_texts_are_cut_and_cleaned() -> None:
    assert text("a\ud800b\x00c\u2066\n\td") == "a\ufffdb\ufffdc\ufffd\n\td"
    assert len(text("x" * 10**6)) == LONGEST


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_a_phone_and_pass_axe(out: Path, chromium_path: str, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium_path, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(
            color_scheme=scheme, viewport={"width": 360, "height": 700}, bypass_csp=True
        )
        tab = context.new_page()
        asked: list[str] = []
        tab.on("request", lambda request: asked.append(request.url))
        for path in pages(out):
            tab.goto(path.as_uri())
            assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
            found = Axe().run(tab).response["violations"]
            assert not found, [(v["id"], [node["html"] for node in v["nodes"]]) for v in found]
        assert {url.partition("://")[0] for url in asked} == {"file"}
        browser.close()
