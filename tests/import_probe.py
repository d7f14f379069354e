"""Import the modules named as arguments and print, a line each, what that did besides importing.

test_architecture runs it in a fresh interpreter: an audit hook cannot be taken out again.
"""

from __future__ import annotations

import importlib
import os
import sys

# Whatever these do at import is their own affair.
import einops
import numpy
import regex
import safetensors.torch
import torch
import tqdm.auto

OTHERS = (einops, numpy, regex, safetensors, torch, tqdm)
done: list[str] = []


def package_is_running() -> bool:
    """Whether the code that called into os or io, past the standard library's helpers, is tinygpt's."""
    frame = sys._getframe(2)
    while frame and frame.f_globals.get("__name__") in ("os", "io", "collections.abc", "pathlib", "codecs"):
        frame = frame.f_back
    return bool(frame) and str(frame.f_globals.get("__name__")).split(".")[0] == "tinygpt"


def watch(event: str, arguments: tuple) -> None:
    if event in ("open", "socket.connect", "subprocess.Popen") and package_is_running():
        done.append(f"{event} {arguments[0]}")


class WatchedEnvironment(type(os.environ)):
    def __getitem__(self, name: str) -> str:
        if package_is_running():
            done.append(f"environment {name}")
        return super().__getitem__(name)


def main(modules: list[str]) -> None:
    sys.addaudithook(watch)
    os.environ.__class__ = WatchedEnvironment
    state = torch.get_num_threads(), torch.get_rng_state().sum(), numpy.random.get_state()[1].sum()
    for module in modules:
        importlib.import_module(module)
    if state != (torch.get_num_threads(), torch.get_rng_state().sum(), numpy.random.get_state()[1].sum()):
        done.append("changed threads or random state")
    print("\n".join(done))


if __name__ == "__main__":
    main(sys.argv[1:])
