"""A chapter taught from slides: JupyterLab's slideshow on a projector, with a kernel, by keyboard."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import Any

import nbformat
import pytest
import slides
from views import lab
from views.pages import READY, open_notebook, run_cell

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SETTINGS = lab.ROOT / "tinygpt" / "cli" / "jupyter"
CHAPTER = lab.ROOT / "course" / "02_tokenization.ipynb"
ON_SCREEN = """() => [...document.querySelectorAll(".jp-Cell.jp-deck-mod-onscreen")].map(
    (cell) => [Number(cell.dataset.windowedListIndex), cell.getBoundingClientRect().height])"""

SEEN = """() => [...document.querySelectorAll(".jp-Cell.jp-deck-mod-visible")].map(
    (cell) => Number(cell.dataset.windowedListIndex))"""


class Deck:
    """The slideshow of a notebook that is open in a page."""

    def __init__(self, page: Any, notebook: nbformat.NotebookNode) -> None:
        self.page = page
        index = {cell.id: i for i, cell in enumerate(notebook.cells)}
        self.slides = [[index[cell.id] for cell in shown] for shown in slides.shows(notebook)]

    def start(self) -> None:
        """Starts where the notebook stands."""
        self.page.locator('jp-button[data-command="deck:toggle"]').click()
        self.wait(1)

    def shown(self) -> list[int]:
        return sorted(i for i, _ in self.page.evaluate(ON_SCREEN))

    def heights(self) -> float:
        return sum(height for _, height in self.page.evaluate(ON_SCREEN))

    def wait(self, slide: int) -> None:
        lab.wait_for(lambda: self.shown() == self.slides[slide], f"slide {self.slides[slide]}", 20)

    def seen(self) -> list[int]:
        return self.page.evaluate(SEEN)

    def press(self, key: str, slide: int) -> None:
        """Presses a key until a slide is there: each press shows, or hides, a cell."""
        for _ in range(12):
            if self.shown() == self.slides[slide]:
                return
            before = self.seen()
            self.page.keyboard.press(key)
            lab.wait_for(lambda before=before: self.seen() != before, f"{key} to change the slide", 5)
        self.wait(slide)

    def reveal(self) -> None:
        """Shows all cells of the slide."""
        for _ in range(len(self.shown()) - len(self.seen())):
            self.page.keyboard.press("Space")
            self.page.wait_for_timeout(150)


@pytest.fixture(scope="module")
def projector(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Iterator[lab.Lab]:
    """JupyterLab with the settings of `tinygpt lab` and one chapter."""
    folder = tmp_path_factory.mktemp("lecture")
    shutil.copy(CHAPTER, folder)
    patch = pytest.MonkeyPatch()
    patch.setenv("JUPYTER_CONFIG_PATH", str(SETTINGS))
    patch.setenv("TINYGPT_BUDGET", "ci")
    with lab.serve(folder) as running:
        patch.undo()
        yield running


def test_a_lecture_is_given_from_slides_with_a_live_view(projector: lab.Lab, browser: Any) -> None:
    notebook = nbformat.read(CHAPTER, as_version=4)
    views = [i for i, cell in enumerate(notebook.cells) if "tg.views.merges(" in cell.source]
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    page = open_notebook(context, projector.url(CHAPTER.name))
    for number in (0, 1):  # what the slides skip is run before class
        run_cell(page, number)
    deck = Deck(page, notebook)
    deck.start()
    with_view = next(i for i, cells in enumerate(deck.slides) if views[0] in cells)
    for slide in range(2, with_view + 1):
        deck.press("Space", slide)
        assert not page.locator(".jp-deck-mod-onscreen .jp-InternalAnchorLink:visible").count()
        if slide < with_view:
            assert deck.heights() <= 720, f"{deck.slides[slide]} is higher than the screen"
    deck.reveal()
    code = page.locator(".jp-deck-mod-onscreen .jp-Cell-inputWrapper").last
    folded = lambda: code.bounding_box()["height"] == 0  # noqa: E731
    assert folded(), "the code of a view leaves it the room"
    page.keyboard.press("Enter")
    lab.wait_for(lambda: not folded(), "Enter to open the code", 5)
    page.keyboard.press("Control+Enter")
    lab.wait_for(folded, "the code to fold away", 10)
    live = page.locator(f"[data-tinygpt-live]{READY}")
    live.wait_for()
    said, slider = live.locator("[aria-live]").first.inner_text(), live.get_by_role("slider")
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    lab.wait_for(lambda: live.locator("[aria-live]").first.inner_text() != said, "the view to move", 10)
    assert deck.shown() == deck.slides[with_view], "the slider's key turned no slide"
    page.mouse.click(640, 712)  # beside the view, whose keys are its own
    deck.press("Space", with_view + 1)
    deck.press("Shift+Space", with_view)
    context.close()
    projector.end_kernels()


def test_the_settings_are_those_that_the_slides_were_measured_with() -> None:
    text = (SETTINGS / "labconfig" / "default_setting_overrides.json").read_text()
    styles = json.loads(text)["@deathbeds/jupyterlab-fonts:fonts"]["styles"]
    heights = {rule.get("max-height") or rule.get("height") for rule in styles.values()}
    for pixels in (slides.LONGEST_INPUT, slides.INPUT_OF_A_PICTURE, slides.PICTURE):
        assert f"{100 * pixels / 720:.0f}vh" in heights
