"""Run chapters top to bottom and write clean outputs back: `make notebooks ARGS="03 --budget laptop"`."""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import time
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import nbformat
import slides
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from tinygpt.grading import shipped
from tinygpt.views._host import with_present_scripts

ROOT = Path(__file__).resolve().parent.parent
LARGEST = 1_000_000  # bytes; beyond, GitHub shows no notebook
WIDGET = "application/vnd.jupyter.widget-view+json"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
RANDOM_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){0,3}(-[0-9a-f]{12})?")


@dataclass(frozen=True)
class Execution:
    """A notebook with the outputs of one run.

    `peak`: the most bytes the kernel held resident, if known. `by_cell`: processor seconds, on Linux.
    """

    notebook: NotebookNode
    seconds: float
    peak: int | None
    by_cell: dict[str, float]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "chapters", nargs="*", help="how their file names begin, say 03; all, if none is named"
    )
    parser.add_argument("--budget", default="laptop", choices=["ci", "laptop", "gpu"])
    parser.add_argument("--only-clean", action="store_true", help="run nothing, just tidy what is stored")
    options = parser.parse_args(argv)
    paths = chapters(options.chapters)
    if not paths:
        print(f"No chapter in {ROOT / 'course'} begins with {' or '.join(options.chapters)}.")
    written = [refresh(path, None if options.only_clean else options.budget) for path in paths]
    if any(written) and (record := ROOT / "tinygpt" / "grading" / "shipped.json").exists():
        shipped.write(ROOT, record)  # it tells a reader's work from what was made here
    return 0 if written and all(written) else 1


def chapters(beginnings: list[str]) -> list[Path]:
    paths = sorted((ROOT / "course").glob("*.ipynb"))
    return [path for path in paths if not beginnings or path.name.startswith(tuple(beginnings))]


def refresh(path: Path, budget: str | None) -> bool:
    """Write a chapter back, run under `budget` unless that is None; on an error leave it, return False."""
    print(f"{path.name}: ", end="", flush=True)
    notebook, report = nbformat.read(path, as_version=4), "tidied"
    if budget:
        try:
            run = execute(notebook, path.parent, budget)
        except CellExecutionError as error:
            print(f"a cell failed; nothing was written.\n{error}")
            return False
        notebook = run.notebook
        report = f"{run.seconds:.0f} s under {budget}" + (
            f", kernel peak {run.peak / 1e9:.2f} GB" if run.peak else ""
        )
    text = nbformat.writes(slides.lay_out(clean(notebook)))
    size = len(text.encode())
    if size > LARGEST:
        print(f"{size:,} bytes, more than {LARGEST:,}; nothing was written. Show fewer or smaller pictures.")
        return False
    path.write_text(text + "\n", encoding="utf-8", newline="\n")
    print(f"{report}, {size / 1000:,.0f} kB")
    return True


def execute(notebook: NotebookNode, folder: Path, budget: str) -> Execution:
    """Run a copy of the notebook, from `folder`, in a fresh python3 kernel of this environment."""
    copy = nbformat.from_dict(notebook)
    peak: list[int | None] = []
    clock: list[float] = [0.0]
    by_cell: dict[str, float] = {}
    client = NotebookClient(copy, timeout=1800, kernel_name="python3")
    client.resources = {"metadata": {"path": str(folder)}}
    client.extra_arguments = ["--IPKernelApp.log_level=ERROR"]  # it would warn about TCP for each kernel

    # After each cell, because the kernel is gone when the notebook is complete.
    def executed(cell: NotebookNode, **_: object) -> None:
        pid = client.km.provisioner.pid
        peak.append(peak_memory(pid))
        clock.append(processor_seconds(pid))
        by_cell[cell.id] = clock[-1] - clock[-2]

    client.on_cell_executed = executed
    start = time.perf_counter()
    client.execute(env={**os.environ, "TINYGPT_BUDGET": budget, "JUPYTER_PREFER_ENV_PATH": "1"})
    return Execution(copy, time.perf_counter() - start, peak[-1] if peak else None, by_cell)


def processor_seconds(pid: int) -> float:
    """The seconds that a process and its finished children kept the processor busy; 0 where /proc is not."""
    status = Path(f"/proc/{pid}/stat")
    if not status.exists():
        return 0.0
    fields = status.read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def peak_memory(pid: int) -> int | None:
    """The most bytes a process held resident, on Linux; getrusage reports its parent's peak if larger."""
    status = Path(f"/proc/{pid}/status")
    found = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.MULTILINE) if status.exists() else None
    return int(found[1]) * 1024 if found else None


def clean(notebook: NotebookNode) -> NotebookNode:
    """A copy that two identical runs make identical: no widget state, no timings, no random ids.

    Example:
        >>> clean(clean(notebook)) == clean(notebook)
        True
    """
    copy = nbformat.from_dict(notebook)
    slides = {"rise": copy.metadata["rise"]} if "rise" in copy.metadata else {}
    copy.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}, **slides})
    taken: set[str] = set()
    for cell in copy.cells:
        cell.metadata.pop("execution", None)
        if RANDOM_ID.fullmatch(cell.id):
            cell.id = content_id(cell, taken)
        taken.add(cell.id)
        if cell.cell_type == "code":
            cell.outputs = clean_outputs(cell.outputs)
            describe(cell)
    return copy


def content_id(cell: NotebookNode, taken: set[str]) -> str:
    """An id made from what the cell says, so that inserting a cell changes no other."""
    digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:10]
    names = [f"cell-{digest}"] + [f"cell-{digest}-{i}" for i in range(2, len(taken) + 2)]
    return next(name for name in names if name not in taken)


def captions(source: str) -> list[str]:
    """What a cell says about its figures, one by one, in comments that Quarto reads too.

    Example:
        >>> captions("#| fig-cap: The loss falls\\n#|   and levels off.\\nplt.plot(loss)")
        ['The loss falls and levels off.']
        >>> captions("#| fig-cap:\\n#|   - The loss.\\n#|   - The gradient.")
        ['The loss.', 'The gradient.']
    """
    lines = [line[2:].strip() for line in source.splitlines() if line.startswith("#|")]
    if not lines or not lines[0].startswith("fig-cap:"):
        return []
    text = " ".join([lines[0].removeprefix("fig-cap:"), *lines[1:]]).strip()
    return [one.strip() for one in re.split(r"(?:^|(?<= ))- ", text) if one.strip()]


def describe(cell: NotebookNode) -> None:
    """Give each picture of a cell its caption, and each drawing its title, as alternative text."""
    said = iter(captions(cell.source))
    for output in cell.outputs:
        data = output.get("data", {})
        title = re.search(r"<title>(.*?)</title>", data.get("image/svg+xml", ""))
        if "image/png" in data and "text/html" not in data:
            output.metadata["image/png"] = {"alt": next(said, "")}
        elif title:
            output.metadata["image/svg+xml"] = {"alt": unescape(title[1])}


def clean_outputs(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Streams joined, overwritten progress lines gone, widgets (which need their dead kernel) left out.

    A view's script belongs to the package, so that a view mended there is mended in every chapter.
    """
    kept: list[NotebookNode] = []
    for output in outputs:
        if WIDGET in output.get("data", {}):
            continue
        if output.output_type == "stream" and kept and kept[-1].get("name") == output.name:
            kept[-1].text += output.text
        else:
            kept.append(output)
    for output in kept:
        if "text/html" in output.get("data", {}):
            output.data["text/html"] = with_present_scripts(output.data["text/html"])
        if output.output_type == "stream":
            output.text = re.sub(r"[^\n]*\r(?!\n)", "", output.text)
    return [output for output in kept if output.get("text") != ""]


if __name__ == "__main__":
    raise SystemExit(main())
