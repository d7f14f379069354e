"""A page as a PDF, printed by the Chromium or Chrome of this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)
REMEDY = "Open the HTML in a browser and print it, or install Chromium (TINYGPT_CHROMIUM may name its path)."


def find() -> str | None:
    """The path of a Chromium, Chrome or Edge: $TINYGPT_CHROMIUM, the PATH, the usual places; or None."""
    if asked := os.environ.get("TINYGPT_CHROMIUM"):
        return asked if Path(asked).exists() else None
    return next(filter(None, map(shutil.which, NAMES)), None) or next(filter(os.path.exists, PLACES), None)


def undrawn(html: str) -> str:
    """The characters of a page that no font of this machine has, each once: paper shows empty boxes for them.

    "" where fontconfig, which knows, is not installed.
    """
    if not shutil.which("fc-list"):
        return ""
    fonts = subprocess.run(["fc-list", "--format", "%{charset}\n"], capture_output=True, text=True).stdout
    ranges = [[int(end, 16) for end in one.split("-")] for one in {*fonts.split()}]  # "20-7e a0-17f 192"
    drawn = {code for one in ranges for code in range(one[0], one[-1] + 1)}
    seen = re.sub(r"<(script|style).*?</\1>|<[^>]*>", "", html, flags=re.DOTALL)
    return "".join(sorted(c for c in {*seen} if c.isprintable() and ord(c) not in drawn))


def pdf(page: Path | str, target: Path | str, *, seconds: float = 120) -> Path:
    """Print an HTML file.

    Args:
        page: The HTML file; it may not need a network, there is none.
        target: Where the PDF goes.
        seconds: How long the browser may take.

    Returns:
        The path of the PDF.

    Raises:
        ValueError: There is no browser, or it printed nothing.
    """
    browser = find()
    if browser is None:
        raise ValueError(f"No Chromium or Chrome was found, so no PDF was made. {REMEDY}")
    target = Path(target).resolve()
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, "--headless", "--disable-gpu", f"--user-data-dir={profile}", "--no-first-run"]
        command += ["--host-resolver-rules=MAP * ~NOTFOUND", "--no-pdf-header-footer"]
        command += ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        command += [f"--print-to-pdf={target}", Path(page).resolve().as_uri()]
        try:
            run = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            raise ValueError(f"{browser} did not print {page} within {seconds:.0f} s. {REMEDY}") from None
    if run.returncode or not target.exists():
        said = run.stderr.strip().splitlines()
        raise ValueError(f"{browser} printed no PDF of {page}: {said[-1] if said else 'no reason'}. {REMEDY}")
    return target
