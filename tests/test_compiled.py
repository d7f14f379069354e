"""torch.compile changes speed, never what is seen, edited or learnt."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_compiled_models_behave_as_uncompiled_ones() -> None:
    tests = Path(__file__).parent
    paths = os.pathsep.join([str(tests), str(tests.parent), os.environ.get("PYTHONPATH", "")])
    probe = [sys.executable, str(tests / "compiled_probe.py")]
    done = subprocess.run(probe, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True)
    assert done.stdout.strip() == "all as uncompiled", done.stderr
