"""Write the lecture plans, lectures/NN_name.md, from the chapters and lectures/NN.toml: `make plans`.

What a chapter knows is read from it: its sections, their predictions, views, runs and seconds, the quiz, the
exercises. What only a teacher knows stands in lectures/NN.toml. `problems` says where the two do not fit.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import notebooks
import slides
from nbformat import NotebookNode

from tinygpt.grading import checks

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

ROOT = notebooks.ROOT
LECTURES = ROOT / "lectures"
SECONDS = LECTURES / "seconds.json"
LONG = 5  # seconds of a cell that a teacher should know of
LENGTHS = {"full": 90, "short": 50}  # minutes
CLOSING = ("What this does not show", "Exercises", "Bug hunt", "Quiz", "Sources")
PARTS = {"minutes", "say"}
FIELDS = {"title", "minutes", "point", "ask", "expect", "demo", "wrong", "beware", "short"}
VIEW, RUN = "tinygpt-view", "image/svg+xml"


@dataclass(frozen=True)
class Section:
    """A lesson of a chapter: its heading and its cells, code cells by the number that JupyterLab shows."""

    title: str
    cells: tuple[NotebookNode, ...]

    @property
    def code(self) -> list[NotebookNode]:
        return [cell for cell in self.cells if cell.cell_type == "code"]

    def predictions(self) -> Iterator[str]:
        """What the reader is asked to predict, sentence by sentence."""
        for cell in self.cells:
            if cell.cell_type == "markdown":
                text = " ".join(re.sub(r"^#[^\n]*$|```.*?```", "", cell.source, flags=re.M | re.S).split())
                for found in re.finditer(r"(?:\*\*Predict\*\*|\bPredict\b).*?[.?!](?=\s|$)", text):
                    yield found[0].replace("**", "")

    def text(self) -> str:
        """All that a reader of this section sees: prose, code and what it printed."""
        shown = [cell.source for cell in self.cells]
        for output in (output for cell in self.code for output in cell.outputs):
            shown.append(output.get("text") or output.get("data", {}).get("text/plain", ""))
        return "\n".join(shown)


@dataclass(frozen=True)
class Chapter:
    """A chapter, what its teacher wrote about it, and the processor seconds of its cells."""

    path: Path
    notebook: NotebookNode
    written: dict[str, Any]
    seconds: dict[str, float]

    @property
    def title(self) -> str:
        return re.match(r"# +(.+)", self.notebook.cells[0].source)[1]

    def headed(self) -> list[Section]:
        """The cells below each second-level heading."""
        found: list[tuple[str, list[NotebookNode]]] = []
        for cell in self.notebook.cells:
            heading = re.match(r"## +(.+)", cell.source) if cell.cell_type == "markdown" else None
            if heading:
                found.append((heading[1].strip(), []))
            if found:
                found[-1][1].append(cell)
        return [Section(title, tuple(cells)) for title, cells in found]

    def lessons(self) -> list[Section]:
        return [section for section in self.headed() if not section.title.startswith(CLOSING)]

    def closing(self) -> list[Section]:
        return [section for section in self.headed() if section.title.startswith(CLOSING)]


def read(path: Path) -> Chapter:
    """A chapter with its teacher's file; a chapter without one has nothing written."""
    source = LECTURES / f"{path.name[:2]}.toml"
    written = tomllib.loads(source.read_text(encoding="utf-8")) if source.exists() else {}
    seconds = json.loads(SECONDS.read_text()).get(path.stem, {})
    return Chapter(path, nbformat.read(path, as_version=4), written, seconds)


# What does not fit


def problems(chapter: Chapter) -> list[str]:
    """Why a plan cannot be taught from, in sentences; none for a good one."""
    titles = [section.title for section in chapter.lessons()]
    written = [entry.get("title") for entry in chapter.written.get("section", [])]
    if titles != written:
        missing, unknown = [t for t in titles if t not in written], [t for t in written if t not in titles]
        return [f"sections must be the chapter's, in its order; missing {missing}, unknown {unknown}"]
    found = [*_sums(chapter)]
    for section, entry in zip(chapter.lessons(), chapter.written["section"], strict=True):
        found += [f"{section.title}: {problem}" for problem in _amiss(chapter, section, entry)]
    return found


def _sums(chapter: Chapter) -> Iterator[str]:
    parts = [chapter.written.get(name, {}) for name in ("opening", "closing")]
    if any(set(part) != PARTS for part in parts):
        yield f"opening and closing each need {sorted(PARTS)}"
        return
    for i, (name, wanted) in enumerate(LENGTHS.items()):
        total = sum(part["minutes"][i] for part in [*parts, *chapter.written["section"]])
        if total != wanted:
            yield f"the {name} lecture has {total} minutes and not {wanted}"


def _amiss(chapter: Chapter, section: Section, entry: dict[str, Any]) -> Iterator[str]:
    if unknown := set(entry) - FIELDS:
        yield f"unknown {sorted(unknown)}"
    taught = entry["minutes"][0] > 0
    if absent := [name for name in ("point", "ask", "expect") if taught and not entry.get(name)]:
        yield f"{absent} must be said of a section that is taught"
    if entry["minutes"][1] < entry["minutes"][0] and not entry.get("short"):
        yield "the short lecture has less time: say what it shows"
    ids = [cell.id for cell in section.code]
    if "demo" in entry and entry["demo"]["cell"] not in ids:
        yield f"no code cell {entry['demo']['cell']!r}; there are {ids}"
    if "wrong" in entry and (problem := _unknown_fault(chapter, entry["wrong"])):
        yield problem
    said = " ".join(str(entry.get(name, "")) for name in ("point", "expect")) + entry.get("demo", {}).get(
        "do", ""
    )
    said = re.sub(r"chapters? \d+", "", said)
    for number in re.findall(r"\d+(?:[.,]\d+)+|\d{2,}", said):
        if not re.search(rf"(?<![\d.,]){re.escape(number)}(?!\d|[.,]\d)", section.text()):
            yield f"the number {number} stands nowhere in the section"


def _unknown_fault(chapter: Chapter, wrong: dict[str, str]) -> str:
    """Why a misconception is none that the class summary would report, or ""."""
    graded = exercises(chapter)
    if wrong["exercise"] not in graded:
        return f"no exercise {wrong['exercise']!r} in this chapter; there are {[*graded]}"
    known = diagnoses(wrong["exercise"])
    if wrong["fault"] not in known:
        return f"{wrong['exercise']} knows no fault {wrong['fault']!r}; it knows {[*known]}"
    return ""


@cache
def diagnoses(exercise: str) -> dict[str, str]:
    """What the check of an exercise calls a mistake, and what it says of it."""
    found = checks.find(exercise)
    return {fault.name: fault.says for fault in (*found.laws, *found.faults)}


def exercises(chapter: Chapter) -> dict[str, tuple[str, str]]:
    """Name → (heading, what it says about difficulty, time and points), in the order of the notebook."""
    notebook = nbformat.read(ROOT / "exercises" / chapter.path.name, as_version=4)
    heading = facts = ""
    found: dict[str, tuple[str, str]] = {}
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and (new := re.search(r"^## +(.+)", cell.source, re.M)):
            line = re.search(r"^\*\*Difficulty.*", cell.source, re.M)
            heading, facts = new[1], line[0].replace("**", "") if line else ""
        for name in re.findall(r'check\(\s*"(\w+)"', cell.source):
            found.setdefault(name, (heading, facts))
    return found


# The page


def plan(chapter: Chapter) -> str:
    """The lecture plan as Markdown."""
    number = {cell.id: cell.execution_count for cell in chapter.notebook.cells if cell.cell_type == "code"}
    blocks = [_head(chapter), _table(chapter), _part("Opening", chapter.written["opening"])]
    for section, entry in zip(chapter.lessons(), chapter.written["section"], strict=True):
        blocks.append(_lesson(chapter, section, entry, number))
    blocks += [_part("Closing", chapter.written["closing"]), _quiz(chapter), _exercises(chapter)]
    return "\n\n".join(blocks) + "\n"


def _head(chapter: Chapter) -> str:
    name, header = chapter.path.name, chapter.notebook.cells[0].source
    took = re.search(r"(\d+) under `laptop`", header)[1]
    return f"""# {name[:2]} {chapter.title}: lecture plan

*Generated by `make plans` from [the chapter](../course/{name}) and
[{name[:2]}.toml]({name[:2]}.toml). Edit those.*

**Before class.** `tinygpt lab {name[:2]}`, then *Run → Run All Cells*, {took} minutes under `laptop`. Start
the slides with *Toggle Deck*, a button of the notebook's toolbar. `Space` shows the next cell and, after a
slide's last one, the next slide; `Shift+Space` goes back, `Ctrl+Enter` runs the cell that was shown last. The
code of a view is folded away: `Enter` opens it. A view has keys of its own: click beside it before you go on;
its *Large text* is for the back row. Numbers in brackets are the cells' own: [7] is what JupyterLab marks so.
Seconds are those of one processor core under `laptop`; cells of {LONG} or more are named."""


def _table(chapter: Chapter) -> str:
    rows = ["| section | slides | 90 min | 50 min | predictions | live |", "| --- " * 6 + "|"]
    slide = slide_numbers(chapter.notebook)
    entries = {entry["title"]: entry for entry in chapter.written["section"]}
    for section in chapter.lessons():
        entry = entries[section.title]
        guesses, live = len([*section.predictions()]), "yes" if "demo" in entry else ""
        times, numbers = _times(entry["minutes"], "–"), _span(slide, section.cells)
        rows.append(f"| {section.title} | {numbers} | {times} | {guesses} | {live} |")
    cells = chapter.notebook.cells
    ends = {
        "opening": cells[:1],
        "closing": [cell for section in chapter.closing() for cell in section.cells],
    }
    for name, shown in ends.items():
        times = _times(chapter.written[name]["minutes"], "–")
        rows.insert(
            2 if name == "opening" else len(rows), f"| *{name}* | {_span(slide, shown)} | {times} | | |"
        )
    return "\n".join(rows)


def _span(slide: dict[str, int], cells: Sequence[NotebookNode]) -> str:
    first, last = (slide[cells[i].id] for i in (0, -1))
    return f"{first}–{last}" if first < last else str(first)


def slide_numbers(notebook: NotebookNode) -> dict[str, int]:
    """Cell id → the slide that shows it, from 1; what is skipped has the number of the slide before it."""
    number, found = 0, {}
    for cell in notebook.cells:
        number += slides.slide_type(cell) in ("slide", "subslide")
        found[cell.id] = number
    return found


def _times(minutes: list[int], none: str) -> str:
    return " | ".join(str(one or none) for one in minutes)


def _part(name: str, part: dict[str, Any]) -> str:
    full, short = part["minutes"]
    return f"## {name} ({full} minutes, short {short})\n\n{part['say'].strip()}"


def _lesson(chapter: Chapter, section: Section, entry: dict[str, Any], number: dict[str, int]) -> str:
    full, short = entry["minutes"]
    length = f"{full} minutes, " + (f"short {short}" if short else "not in the short lecture")
    lines = [f"## {section.title} ({length})" if full else f"## {section.title} (to read at home)"]
    for name in ("point", "ask", "expect"):
        if name in entry:
            lines.append(f"**{name.capitalize()}.** {entry[name].strip()}")
    if guesses := [*section.predictions()]:
        lines.append("**Predictions in the notebook.** " + " · ".join(guesses))
    if "demo" in entry:
        lines.append(_demo(chapter, section, entry["demo"], number))
    if long := [cell.id for cell in section.code if chapter.seconds.get(cell.id, 0) >= LONG]:
        named = (f"[{number[name]}] {chapter.seconds[name]:.0f} s" for name in long)
        lines.append(f"**Takes its time.** {' · '.join(named)}.")
    if "wrong" in entry:
        lines.append(_wrong(chapter, entry["wrong"]))
    if "beware" in entry:
        lines.append(f"**Beware.** {entry['beware'].strip()}")
    if "short" in entry:
        lines.append(f"**In 50 minutes.** {entry['short'].strip()}")
    return "\n\n".join(lines)


def _demo(chapter: Chapter, section: Section, demo: dict[str, str], number: dict[str, int]) -> str:
    cell = next(cell for cell in section.code if cell.id == demo["cell"])
    shown = json.dumps(cell.outputs)
    kind = "a view" if VIEW in shown else "a run with its curve" if RUN in shown else "a cell"
    seconds = chapter.seconds.get(cell.id, 0.0)
    took = f", {seconds:.0f} s" if seconds >= 1 else ""
    return f"**Live.** [{number[cell.id]}], {kind}{took}. {demo['do'].strip()}"


def _wrong(chapter: Chapter, wrong: dict[str, str]) -> str:
    heading, _ = exercises(chapter)[wrong["exercise"]]
    says = " ".join(diagnoses(wrong["exercise"])[wrong["fault"]].split())
    place = f"exercise {heading.split('.')[0]}, `{wrong['exercise']}`"
    found = f"this is *{wrong['fault']}*, and the check says: {says}"
    hear, say = wrong["hear"].strip(), wrong["say"].strip()
    return f"**Misconception.** You hear: “{hear}” In {place}, {found} **Remedy.** {say}"


def _quiz(chapter: Chapter) -> str:
    """The questions with their right answers, as the cells define them."""
    section = next(section for section in chapter.headed() if section.title == "Quiz")
    source = "\n".join(cell.source for cell in section.code)
    asked = re.findall(r'Question\(\s*(["\'])(.+?)\1,\s*\{', source)
    right = re.findall(r'^\s*right=(["\'])(.+?)\1,', source, re.M)
    pairs = zip(asked, right, strict=True)
    lines = [f"{i}. {question} **{answer}**" for i, ((_, question), (_, answer)) in enumerate(pairs, 1)]
    return "## Quiz: what is right\n\n" + "\n".join(lines)


def _exercises(chapter: Chapter) -> str:
    lines = ["## Exercises to set", "", "| exercise | checks | what it says |", "| --- | --- | --- |"]
    together: dict[tuple[str, str], list[str]] = {}
    for name, facts in exercises(chapter).items():
        together.setdefault(facts, []).append(f"`{name}`")
    for (heading, facts), names in together.items():
        lines.append(f"| {heading} | {', '.join(names)} | {facts} |")
    return "\n".join(lines)


def measure(chapter: Chapter) -> dict[str, float]:
    """Processor seconds of each cell that takes any, in one run under `laptop` on one core."""
    seconds = notebooks.execute(chapter.notebook, chapter.path.parent, "laptop").by_cell
    return {name: round(one, 1) for name, one in seconds.items() if one >= 0.5}


def target(chapter: Chapter) -> Path:
    return LECTURES / f"{chapter.path.stem}.md"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "chapters", nargs="*", help="how their file names begin, say 03; all, if none is named"
    )
    parser.add_argument(
        "--measure", action="store_true", help="run the chapters and note their seconds first"
    )
    options, failed = parser.parse_args(argv), False
    for chapter in map(read, notebooks.chapters(options.chapters)):
        if options.measure:
            chapter = replace(chapter, seconds=measure(chapter))
            known = json.loads(SECONDS.read_text()) | {chapter.path.stem: chapter.seconds}
            SECONDS.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")
        amiss = problems(chapter)
        print(f"{chapter.path.name}: {'written' if not amiss else 'not written'}")
        print(*(f"  {problem}" for problem in amiss), sep="\n", end="\n" if amiss else "")
        failed |= bool(amiss)
        if not amiss:
            target(chapter).write_text(plan(chapter), encoding="utf-8")
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
