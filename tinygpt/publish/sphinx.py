"""What the book adds to Sphinx: formulas as MathML, and nothing that comes from a network."""

from __future__ import annotations

from typing import Any

from tinygpt.publish.mathml import mathml


def setup(app: Any) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _inline(writer: Any, node: Any) -> None:
    _write(writer, mathml(node.astext()))


def _block(writer: Any, node: Any) -> None:
    _write(writer, f'<div class="math">{mathml(node.astext(), block=True)}</div>')


def _write(writer: Any, markup: str) -> None:
    from docutils import nodes

    writer.body.append(markup)
    raise nodes.SkipNode
