from views.conftest import browser

__all__ = ["browser"]
