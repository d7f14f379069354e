"""Every chapter keeps the rules of CONTRIBUTING, and runs top to bottom within its budget."""

from __future__ import annotations

import re
from pathlib import Path
from statistics import median
from typing import ClassVar

import nbformat
import notebooks
import pytest
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
SECONDS, BYTES = 180, 1_500_000_000  # under `ci`, on two cores; Binder has 2 GB
REPOSITORY = "tinygpt-course/tinygpt"
CLOSING = ("What this does not show", "Exercises", "Bug hunt", "Quiz", "Sources")
CHECKED = "nbval-check-output"  # the tag by which nbval knows them, too


def code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def prose(notebook: NotebookNode) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def sections(notebook: NotebookNode) -> dict[str, list[NotebookNode]]:
    """The cells below each second-level heading."""
    found: dict[str, list[NotebookNode]] = {}
    for cell in notebook.cells:
        heading = re.match(r"## +(.+)", cell.source) if cell.cell_type == "markdown" else None
        if heading:
            found[heading.group(1).strip()] = []
        if found:
            next(reversed(found.values())).append(cell)
    return found


def words(markdown: str) -> int:
    """Words of running text: not headings, tables, formulas, pictures or folded hints."""
    text = re.sub(
        r"\$\$.*?\$\$|\$[^$]*\$|<details>.*?</details>|!\[.*?\]\(.*?\)", " ", markdown, flags=re.DOTALL
    )
    lines = [line for line in text.splitlines() if not line.lstrip().startswith(("#", "|", "<"))]
    return len(re.findall(r"\w[\w'’-]*", " ".join(lines)))


def printed(cell: NotebookNode) -> str:
    """What a cell printed and what its last line showed, as text."""
    shown = [
        o.text if o.output_type == "stream" else o.get("data", {}).get("text/plain", "") for o in cell.outputs
    ]
    return "".join(shown).strip()


class Chapter:
    """The rules; a subclass names the chapter. One class for each, so that chapters run beside each other."""

    path: ClassVar[Path]

    @pytest.fixture
    def notebook(self) -> NotebookNode:
        return nbformat.read(self.path, as_version=4)

    def test_it_is_stored_clean(self, notebook: NotebookNode) -> None:
        nbformat.validate(notebook)
        assert re.fullmatch(r"\d\d_[a-z_]+\.ipynb", self.path.name)
        assert self.path.stat().st_size < notebooks.LARGEST
        assert notebook == notebooks.clean(notebook), "write it with `make notebooks`"

    def test_its_outputs_come_from_one_whole_run(self, notebook: NotebookNode) -> None:
        counts = [cell.execution_count for cell in code(notebook)]
        assert counts == list(range(1, len(counts) + 1))
        kinds = [output.output_type for cell in code(notebook) for output in cell.outputs]
        assert kinds and "error" not in kinds
        assert not re.search(r"/(root|home|Users|work|tmp)/\w", nbformat.writes(notebook)), (
            "a path of one machine"
        )

    def test_its_cells_are_short_and_many(self, notebook: NotebookNode) -> None:
        lines = [cell.source.splitlines() for cell in code(notebook)]
        lengths = [sum(not line.startswith("#|") for line in some) for some in lines]  # a caption is prose
        assert 30 <= len(lengths) <= 60
        assert median(lengths) <= 8
        assert max(lengths) <= 40

    def test_its_figures_have_captions(self, notebook: NotebookNode) -> None:
        """One sentence for each picture; a view brings its own text, a drawing its title."""
        for cell in code(notebook):
            pictures = [output for output in cell.outputs if "image/png" in output.get("data", {})]
            bare = [output for output in pictures if "text/html" not in output.data]
            said = notebooks.captions(cell.source)
            assert len(said) == len(bare), f"{len(bare)} figures, {len(said)} captions:\n{cell.source[:200]}"
            assert [output.metadata["image/png"]["alt"] for output in bare] == said
            for caption in said:
                assert 8 <= len(caption.split()) <= 45 and caption.endswith("."), caption
                assert ": " not in caption, (
                    f"Quarto reads it as YAML, where a colon starts a value: {caption}"
                )
            drawn = [o for o in cell.outputs if "image/svg+xml" in o.get("data", {})]
            assert all(output.metadata["image/svg+xml"]["alt"] for output in drawn)

    def test_its_header_says_what_how_long_and_where(self, notebook: NotebookNode) -> None:
        header = notebook.cells[0].source
        assert notebook.cells[0].cell_type == "markdown" and header.startswith("# ")
        assert all(
            word in header.lower() for word in ("you will", "prerequisites", "minutes", "ci", "laptop", "gpu")
        )
        assert f"colab.research.google.com/github/{REPOSITORY}/blob/main/course/{self.path.name}" in header
        assert re.search(rf"mybinder\.org/v2/gh/{REPOSITORY}/main\?\S*{self.path.name}", header)

    def test_its_first_cell_is_the_one_of_every_chapter(self, notebook: NotebookNode) -> None:
        first = code(notebook)[0].source
        assert len([line for line in first.splitlines() if line]) <= 3
        assert "import tinygpt as tg" in first
        assert f"github.com/{REPOSITORY}" in first, "on Colab it installs the package"
        others = [nbformat.read(path, as_version=4) for path in CHAPTERS]
        assert {code(other)[0].source for other in others} == {first}

    def test_its_prose_is_short_and_plain(self, notebook: NotebookNode) -> None:
        before_code = zip(notebook.cells[1:], notebook.cells[2:], strict=False)
        texts = [a.source for a, b in before_code if (a.cell_type, b.cell_type) == ("markdown", "code")]
        assert [(words(text), text[:60]) for text in texts if not 20 <= words(text) <= 80] == []
        assert [
            text for text in prose(notebook) if re.search(r"\b(simply|obviously)\b", text, re.IGNORECASE)
        ] == []

    def test_every_section_asserts_its_claim(self, notebook: NotebookNode) -> None:
        lessons = {
            title: cells for title, cells in sections(notebook).items() if not title.startswith(CLOSING)
        }
        assert len(lessons) >= 3
        silent = [
            t for t, cells in lessons.items() if not any(re.search(r"\bassert", c.source) for c in cells)
        ]
        assert silent == []

    def test_it_ends_as_every_chapter_ends(self, notebook: NotebookNode) -> None:
        titles = [title for title in sections(notebook) if title.startswith(CLOSING)]
        assert [next(c for c in CLOSING if title.startswith(c)) for title in titles] == list(CLOSING)

    def test_it_names_no_cell_as_a_hidden_slide(self, notebook: NotebookNode) -> None:
        """JupyterLab's slides hide a cell whose type is "-"; a cell that goes on says nothing at all."""
        types = [cell.metadata.get("slideshow", {}).get("slide_type") for cell in notebook.cells]
        assert "-" not in types

    @pytest.mark.slow
    def test_it_runs_within_its_budget_and_prints_the_same(self, notebook: NotebookNode) -> None:
        run = notebooks.execute(notebook, self.path.parent, "ci")
        again = {cell.id: printed(cell) for cell in code(run.notebook)}
        fixed = [cell for cell in code(notebook) if CHECKED in cell.metadata.get("tags", ())]
        stored = {cell.id: printed(cell) for cell in fixed}
        assert stored, f"tag the cells whose output never varies with {CHECKED}"
        assert {id: again[id] for id in stored} == stored
        # Its own time: on the wall a test beside it would count, too.
        assert (sum(run.by_cell.values()) or run.seconds) <= SECONDS
        assert run.peak is None or run.peak < BYTES


CHAPTERS = notebooks.chapters([])
for _path in CHAPTERS:
    _name = f"Test{_path.stem.title().replace('_', '')}"
    globals()[_name] = type(_name, (Chapter,), {"path": _path})


def test_there_is_a_chapter() -> None:
    assert CHAPTERS
