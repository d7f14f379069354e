"""What the sweeps of the tests run: functions that other processes can import."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any


def noted(setting: dict[str, Any]) -> dict[str, Any]:
    """Leaves a mark for each time it is called, takes its time, and answers."""
    with open(Path(setting["folder"]) / "calls", "a") as file:
        file.write(f"{setting['x']}\n")
    time.sleep(setting.get("seconds", 0.0))
    return {"square": setting["x"] ** 2}


def fussy(setting: dict[str, Any]) -> dict[str, Any]:
    """Refuses 1 until the file `well` is there, and answers with something that JSON cannot hold for 2."""
    if setting["x"] == 1 and not (Path(setting["folder"]) / "well").exists():
        raise ArithmeticError("not today")
    return {"x": object() if setting["x"] == 2 else setting["x"]}


def deadly(setting: dict[str, Any]) -> dict[str, Any]:
    """Takes its process down with it for 1."""
    if setting["x"] == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"x": setting["x"]}


def threads(setting: dict[str, Any]) -> dict[str, Any]:
    """How many threads PyTorch uses here, and who the process is."""
    import torch

    time.sleep(0.3)  # so that one process does not take all of them
    return {"threads": torch.get_num_threads(), "process": os.getpid()}
