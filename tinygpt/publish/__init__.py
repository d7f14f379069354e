"""Chapters as pages and papers that need neither a kernel nor a network."""

from tinygpt.publish.page import handout
from tinygpt.publish.paper import pdf

__all__ = ["handout", "pdf"]
