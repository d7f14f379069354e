"""Peers that tests compare with."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import pytest


def peer(name: str) -> ModuleType:
    """trl or peft, which the `test` extra installs from Python 3.11 on; an older one skips what needs it."""
    if sys.version_info < (3, 11):
        return pytest.importorskip(name)
    return importlib.import_module(name)
