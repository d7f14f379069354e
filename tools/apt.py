"""Install a package of Debian or Ubuntu, where that can be done without asking. Standard library only."""

from __future__ import annotations

import os
import shutil
import subprocess


def ways(package: str) -> list[list[list[str]]]:
    """The commands that install it, as root or by a sudo that asks nothing; none where there is no apt."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    if not shutil.which("apt-get") or not (root or shutil.which("sudo")):
        return []
    apt = ["apt-get"] if root else ["sudo", "-n", "apt-get"]
    return [[[*apt, "update"], [*apt, "install", "-y", "--no-install-recommends", package]]]


def succeeds(command: list[str]) -> bool:
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    try:
        return subprocess.run(command, timeout=600, env=environment, **quiet).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
