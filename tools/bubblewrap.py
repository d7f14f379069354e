"""Install bubblewrap, in which the tests of the judge run submissions. Standard library only."""

from __future__ import annotations

import shutil
import sys

import apt


def ensure() -> None:
    """Install bubblewrap unless it is there. Where it cannot be, the tests look for docker and podman too."""
    if sys.platform.startswith("linux") and not shutil.which("bwrap"):
        print("tinygpt: no bubblewrap found: trying to install it for the tests of the judge", flush=True)
        any(all(apt.succeeds(command) for command in commands) for commands in apt.ways("bubblewrap"))
