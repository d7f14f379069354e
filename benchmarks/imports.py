"""What `import tinygpt` costs on top of `import torch`, in fresh interpreters."""

from __future__ import annotations

import json
import subprocess
import sys
from statistics import median

from benchmarks.core import Options, gate, keep

LAZY = ("matplotlib", "plotly", "IPython", "ipywidgets", "transformers")
# Names are resolved when first used, so the bare import loads not even torch. A chapter does the last one.
STATEMENTS = {
    "torch": "import torch",
    "tinygpt": "import tinygpt",
    "tinygpt, used": "import tinygpt as tg; tg.GPT, tg.fit, tg.generate, tg.capture, tg.train_bpe",
}
PROGRAM = """
import json, sys, time
started = time.process_time(), time.perf_counter()
{statement}
cpu, wall = time.process_time() - started[0], time.perf_counter() - started[1]
print(json.dumps([cpu, wall, [m for m in {lazy!r} if m in sys.modules]]))
"""


def main(options: Options) -> None:
    """Gate: nothing lazy is imported. Then seconds of each import, interleaved, and paired differences."""
    rounds = 1 if options.quick else options.rounds
    clock = 0 if options.clock == "cpu" else 1
    print("gates, imports:")
    for name, statement in STATEMENTS.items():
        early = _run(statement)[2]
        gate(f"{name} imports only what it needs", not early, f"{early or 'none'} of {', '.join(LAZY)}")
    taken: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for i in range(rounds):
        for name in sorted(taken, reverse=bool(i % 2)):
            taken[name].append(_run(STATEMENTS[name])[clock])
    print(f"\nimports ({options.clock} time, {rounds} rounds)")
    for name, seconds in taken.items():
        extra = [own - bare for own, bare in zip(seconds, taken["torch"], strict=True)]
        spread = f"lowest {min(extra):+.3f}, highest {max(extra):+.3f}"
        print(f"{name:<16}{median(seconds):.3f} s   over torch {median(extra):+.3f} s ({spread})")
    keep(options, {"title": "imports", "seconds": taken})


def _run(statement: str) -> list:
    program = PROGRAM.format(statement=statement, lazy=LAZY)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)
