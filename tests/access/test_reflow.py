"""A page of 320 pixels, which is a usual screen at 400 %, scrolls only downwards."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from access.every import NAMES, every
from views.pages import Page

pytestmark = pytest.mark.browser
SIZES = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"


@pytest.mark.parametrize("name", NAMES)
def test_nothing_leaves_a_page_of_320_pixels(show: Callable[..., Page], name: str) -> None:
    page = show(every()[name], viewport={"width": 320, "height": 640})
    wide, room = page.page.evaluate(SIZES)
    assert wide <= room
