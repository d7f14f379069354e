"""axe-core's findings on a page, as lines that name the rule, the place and what is wrong there."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe

# The code of the chapters in nbconvert's colours, and its grey "In [1]:" beside it, belong to nbconvert.
NBCONVERT = [[".highlight"], [".jp-InputPrompt"], [".jp-OutputPrompt"]]
# So do links, which its stylesheet tells from the text around them by colour alone.
NBCONVERT_RULES = {"link-in-text-block": {"enabled": False}}


def findings(page: Any, *, exported: bool = False) -> list[str]:
    """What axe finds by its rules for WCAG A and AA and its best practices; `exported`: by nbconvert."""
    context = {"exclude": NBCONVERT} if exported else None
    # Preloading would ask for style sheets that a page opened as a file may not ask for.
    rules = NBCONVERT_RULES if exported else {}
    options = {"resultTypes": ["violations"], "rules": rules, "preload": False}
    found = Axe().run(page, context=context, options=options).response["violations"]
    return [f"{one['id']}: {node['target']} {_why(node)}" for one in found for node in one["nodes"]]


def _why(node: dict[str, Any]) -> str:
    return "; ".join(check["message"] for kind in ("any", "all", "none") for check in node[kind])
