"""Find a Chromium for the browser tests, or install one. Standard library only: it runs first."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import apt

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
APPLICATIONS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Google\Chrome\Application\chrome.exe",
)
REMEDY = "Install Chromium or Chrome, or set TINYGPT_CHROMIUM to its path, and run `make test` again."


def find() -> str | None:
    """The path of a Chromium ($TINYGPT_CHROMIUM, the PATH, the usual places, Playwright's own) or None."""
    asked = os.environ.get("TINYGPT_CHROMIUM")
    if asked:
        return asked if Path(asked).exists() else None
    on_path = next(filter(None, map(shutil.which, NAMES)), None)
    return on_path or next(filter(os.path.exists, APPLICATIONS), None) or playwrights_own()


def playwrights_own() -> str | None:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if os.path.exists(path) else None


def ensure(python: Path) -> str:
    """Install Chromium unless there is one. Returns "", or the reason why the browser tests cannot run."""
    if present(python):
        return ""
    print("tinygpt: no Chromium found: trying to install one for the browser tests", flush=True)
    for commands in ways(python):
        if all(apt.succeeds(command) for command in commands) and present(python):
            return ""
    return f"No Chromium was found and none could be installed. {REMEDY}"


def present(python: Path) -> bool:
    """Whether `find`, asked in the environment where Playwright is installed, has an answer."""
    return apt.succeeds([str(python), __file__])


def ways(python: Path) -> list[list[list[str]]]:
    """Ways to install, best first: Debian's package, as root or by a sudo that asks nothing; Playwright's."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    libraries = ["--with-deps"] if root else []
    return [*apt.ways("chromium"), [[str(python), "-m", "playwright", "install", *libraries, "chromium"]]]


if __name__ == "__main__":
    path = find()
    print(path or REMEDY)
    raise SystemExit(0 if path else 1)
