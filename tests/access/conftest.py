"""The Chromium and the pages of the views' tests."""

from views.conftest import browser, show

__all__ = ["browser", "show"]
