"""A page of HTML: one file, no script, nothing from a network, light or dark as the reader's system is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1f; --paper: #ffffff; --soft: #f1f3f6; --line: #767b85;
  --good: #005a8c; --bad: #a33c00; --link: #0b57a4; --bar: #3b7fb5 }
@media (prefers-color-scheme: dark) { :root { --ink: #e9e9ec; --paper: #17181c; --soft: #24262c;
  --line: #8b909b; --good: #7cc0f0; --bad: #ff9f66; --link: #93bdff; --bar: #5a9fd4 } }
body { font: 1rem/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  margin: 0 auto; max-width: 56rem; padding: 1rem }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0.5rem 0 }
h2 { font-size: 1.25rem; margin: 2rem 0 0.5rem }
h3 { font-size: 1rem; margin: 1rem 0 0.25rem }
h1, h2, h3, p, li, code { overflow-wrap: anywhere }
a { color: var(--link) }
p { margin: 0.5rem 0 }
code { font-family: ui-monospace, monospace; font-size: 0.92em }
summary { cursor: pointer }
.score { font-size: 1.25rem }
.wide { overflow-x: auto; max-width: 100% }
.wide:focus-visible, a:focus-visible, summary:focus-visible {
  outline: 3px solid var(--link); outline-offset: 2px }
table { border-collapse: collapse; margin: 0.5rem 0 }
caption { text-align: left; padding: 0.25rem 0 }
.grid { width: 100% }
.grid th, .grid td { border-bottom: 1px solid var(--line); padding: 0.3rem 0.5rem; text-align: left;
  vertical-align: top }
.grid td:has(.bar) { width: 50% }
.grid tbody th { font-weight: normal }
.grid code { overflow-wrap: normal }
.grid .number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.checks { list-style: none; padding: 0 }
.checks li { padding: 0.2rem 0 }
.finding { margin-left: 6.5em }
.passed, .failed { display: inline-block; min-width: 6.5em; font-weight: bold }
.passed { color: var(--good) }
.failed { color: var(--bad) }
.look { border-left: 4px solid var(--bad); background: var(--soft); padding: 0.25rem 0.75rem }
.bar { display: inline-block; height: 0.8em; min-width: 1px; background: var(--bar) }
@media (max-width: 40rem) { .finding { margin-left: 0 } }
@media print { body { max-width: none } }
"""


def page(title: str, body: str) -> str:
    """A whole page. The body is HTML; whatever in it comes from somewhere else must be escaped already."""
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table that scrolls by itself where it is wider than the screen, also from the keyboard.

    Args:
        caption: What it shows.
        head: The titles of the columns.
        rows: Numbers stand to the right; texts are HTML. The first cell of a row is its title.
    """
    titles = "".join(f'<th scope="col">{escape(title)}</th>' for title in head)
    body = "\n".join(f"<tr>{''.join(map(_cell, row, range(len(row))))}</tr>" for row in rows)
    return wide(
        caption,
        f'<table class="grid"><caption>{escape(caption)}</caption>\n'
        f"<thead><tr>{titles}</tr></thead>\n<tbody>{body}</tbody></table>",
    )


def wide(label: str, content: str) -> str:
    """HTML that scrolls by itself where it is wider than the screen, also from the keyboard."""
    return f'<div class="wide" role="region" tabindex="0" aria-label="{escape(label)}">{content}</div>'


def chapter_title(chapter: str) -> str:
    """A chapter's name for people.

    Example:
        >>> chapter_title("09_scaling_laws")
        'Chapter 09: scaling laws'
    """
    number, _, name = chapter.partition("_")
    return f"Chapter {number}: {name.replace('_', ' ')}"


def _cell(value: Any, column: int) -> str:
    number = ' class="number"' if isinstance(value, (int, float)) else ""
    return f'<th scope="row">{value}</th>' if column == 0 else f"<td{number}>{value}</td>"
