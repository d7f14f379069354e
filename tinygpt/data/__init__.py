"""Text and where it comes from: corpora, generated worlds, packing, batches and rulers for the loss."""

from tinygpt.data import worlds
from tinygpt.data.cache import cache_folder
from tinygpt.data.harvest import Corpus, documentation
from tinygpt.data.web import cached_path, download, tiny_shakespeare
from tinygpt.data.packing import batches, pack, split
from tinygpt.data.stream import Stream, next_tokens

__all__ = [
    "Corpus",
    "Stream",
    "batches",
    "cache_folder",
    "cached_path",
    "documentation",
    "download",
    "next_tokens",
    "pack",
    "split",
    "tiny_shakespeare",
    "worlds",
]
