"""Feedback and the class summary: what is said, what is withheld, and that no text becomes HTML."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch

from tinygpt.grading.checks import CHAPTERS
from tinygpt.grading.excerpt import Excerpt
from tinygpt.grading.gradebook.graded import Graded, graded, spoken
from tinygpt.grading.gradebook.intake import Submission
from tinygpt.grading.gradebook.notes import points_note
from tinygpt.grading.gradebook.plain import plain
from tinygpt.grading.gradebook.words import LONGEST, text
from tinygpt.grading.gradebook.write import write_results
from tinygpt.grading.judge import Report
from tinygpt.grading.picture import Picture
from tinygpt.grading.result import Outcome, Result
from tinygpt.grading.shipped import hidden_points
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
        if tag not in ("meta", "br", "wbr"):
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
    assert [one["name"] for one in found["not_in_canvas"]] == [name, "kim", "bad"] and len(
        found["problems"]
    ) == 3
    page = (out / "summary.html").read_text(encoding="utf-8")
    for said in ("4 submissions", "To review", "cell 2, line 3", "&lt;i&gt;boom", "not scaled: 2 students"):
        assert said in page
    assert "<code>a.<wbr>b</code>" in page  # the name of a function breaks at its dots alone
    links = set(re.findall(r'href="(feedback/[^"]+)"', page))
    assert len(links) == 4 and all((out / link).exists() for link in links)


def answered(**mistakes: str) -> list[Graded]:
    """Submissions with one exercise of two checks, both failed where there is a mistake."""
    runs = []
    for mistake in mistakes.values():
        checks = tuple(Outcome(title, 1, not mistake) for title in ("easy", "hard"))
        found = Report("x", (Result("rope", checks, "public", mistake),), (), 1.0)
        runs.append(Run("", {}, json.loads(json.dumps({**plain(found), "flags": []}))))
    return graded([Submission(name, Path()) for name in mistakes], runs)


def written(out: Path, class_: list[Graded], rows: list[list[str]] | None = None) -> tuple[dict, str]:
    write_results(out, "03_attention", class_, [], rows, "Week 3")
    found = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    return found, (out / "summary.html").read_text(encoding="utf-8")


def test_feedback_that_cannot_be_written_costs_the_others_nothing(tmp_path: Path) -> None:
    eve, kim = classroom("eve", "kim")
    eve.exercises[0]["picture"] = {"no": "picture"}
    (note,) = [
        n for n in write_results(tmp_path, "03_attention", [eve, kim], [], None, "Week 3") if "eve" in n
    ]
    assert note.startswith("The feedback of eve could not be written (TypeError: ")
    assert {path.name for path in (tmp_path / "feedback").iterdir()} == {"kim.html", "kim.json"}
    assert "eve" in (tmp_path / "gradebook.csv").read_text(encoding="utf-8")
    assert "eve could not be written" in (tmp_path / "summary.html").read_text(encoding="utf-8")


def test_no_answer_is_no_misconception_and_misconceptions_are_listed_once(tmp_path: Path) -> None:
    empty = {"ann": "not written", "bob": "not found", "cy": "not a notebook", "di": "not written"}
    found, page = written(tmp_path, answered(**empty, kim="not turned", zoe=""))
    (rope,) = found["exercises"]
    assert rope["mistakes"][0]["name"] == "not turned" and rope["unanswered"] == 4
    assert '<td class="number">4</td><td>not turned (1)</td>' in page
    assert page.count("not written") == 1 and "misconceptions</th>" not in page
    _, page = written(tmp_path, answered(**empty))
    assert '<td class="number">4</td><td>none</td>' in page


def test_misconceptions_are_told_for_the_checks_that_failed_for_fewer(tmp_path: Path) -> None:
    class_ = answered(kim="not turned", zoe="turned twice")
    class_[0].run.scores["exercises"][0]["checks"][0]["passed"] = True
    _, page = written(tmp_path, class_)
    assert "<td>turned twice (1)</td>" in page and "<td>as below</td>" in page


def test_who_handed_in_twice_counts_once_and_is_listed(tmp_path: Path) -> None:
    class_ = answered(zoe="", s9="not turned", kim="not turned")
    rows = [
        ["Student", "ID", "SIS User ID", "03_attention"],
        ["Points Possible", "", "", "44"],
        ["Zuse, Zoe", "12356", "S9", ""],
    ]
    found, page = written(tmp_path, class_, rows)
    assert (found["submissions"], found["counted"], found["scores"]["mean"]) == (3, 2, 1.0)
    assert sum(found["scores"]["parts"]) == 2 and found["exercises"][0]["checks"][0]["failed"] == 1
    assert found["twice"] == [{"student": "Zuse, Zoe", "names": ["zoe", "s9"]}]
    assert "Handed in more than once" in page and "2 of them count" in page
    assert found["not_in_canvas"] == [{"name": "kim", "why": "no login, number or name of the roster in it"}]
    assert "<td>no login, number or name" in page


def test_a_new_column_and_who_handed_in_nothing_are_said(tmp_path: Path) -> None:
    head = ["Student", "ID", "Week 2 (81)"]
    rows = [head, ["Points Possible", "", "5"], ["Kim, Jo", "1", ""], ["<b>, Al", "2", ""]]
    found, page = written(tmp_path, answered(jokim=""), rows)
    (column,) = (note for note in found["notes"] if "new column" in note)
    assert column.endswith('so canvas.csv has a new column. In the roster: "Week 2 (81)".')
    (absent,) = (note for note in found["notes"] if "no notebook" in note)
    assert absent.startswith("From 1 of the roster there is no notebook")
    assert found["nothing_from"] == [{"student": "<b>, Al", "files": []}] and "<li>&lt;b&gt;, Al</li>" in page


def test_what_is_no_notebook_stands_beside_whose_it_seems_to_be(tmp_path: Path) -> None:
    rows = [["Student", "ID"], ["Points Possible", ""], ["Kim, Jo", "1"], ["Ray, Al", "2"]]
    write_results(tmp_path, "03_attention", answered(jokim=""), ["al ray/<hw>.pdf"], rows, "Week 3")
    page = (tmp_path / "summary.html").read_text(encoding="utf-8")
    assert "<li>Ray, Al: al ray/&lt;hw&gt;.pdf seems to be theirs</li>" in page


def test_whose_feedback_is_left_from_an_earlier_run_is_named(tmp_path: Path) -> None:
    written(tmp_path, answered(**{f"s{i:02}": "" for i in range(12)}, kim=""))
    found, page = written(tmp_path, answered(kim=""))
    assert found["earlier"] == [f"s{i:02}" for i in range(12)] and "<li>s11</li>" in page
    (note,) = (note for note in found["notes"] if "earlier" in note)
    assert note.startswith("12 submissions graded earlier are no longer in the folder (s00, s01")
    assert "s09, and 2 more)" in note and "still in" in note and note.partition("(")[0] in page
    assert written(tmp_path / "new", answered(kim=""))[0]["earlier"] == []


def test_points_that_do_not_agree_are_said(tmp_path: Path) -> None:
    public = sum(exercise.points for exercise in CHAPTERS["03_attention"])
    hidden = hidden_points("03_attention")
    says = points_note("03_attention")
    assert says.startswith(
        f"{public} of the chapter's {public + hidden} points: the {hidden} for hidden checks"
    )
    assert "--private" in says and points_note("03_attention", public + hidden) == ""
    rows = [["Student", "ID", "Week 3"], ["Points Possible", "", "44"]]
    found, page = written(tmp_path, answered(kim=""), rows)
    assert f"2 points are graded; the notebook announces {public + hidden}" in found["notes"][0]
    assert 'The roster has 44 points possible for "Week 3", and 2 are graded.' in found["notes"][1]
    assert "and 2 are graded" in page


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


@pytest.mark.parametrize(
    "name, says",
    [
        ("Doe, Jane/home work (3)", "home work (3)"),
        ("zoë_12_34_hw-2", "zoë_12_34_hw-2"),
        ("ann/con", "_con"),
        ("ann/...", "_"),
        ("<b>\n\ud800:*", "_b_____"),
        ("中" * 300, "中" * 50),
    ],
)
def test_messages_speak_of_a_file_as_its_student_does_and_it_can_be_written(
    tmp_path: Path, name: str, says: str
) -> None:
    assert spoken(name) == says
    (tmp_path / f"{spoken(name)}.ipynb").touch()
