"""Text and where it comes from: corpora, generated worlds, packing, batches and rulers for the loss."""

from tinygpt.data import worlds
from tinygpt.data.packing import batches, pack, split
from tinygpt.data.stream import Stream, next_tokens

__all__ = ["Stream", "batches", "next_tokens", "pack", "split", "worlds"]
