"""Text and where it comes from: corpora, generated worlds, packing, batches and rulers for the loss."""

from tinygpt.data import worlds
from tinygpt.data.cache import cache_folder
from tinygpt.data.counting import NGram
from tinygpt.data.duplicates import near_duplicates
from tinygpt.data.harvest import Corpus, documentation
from tinygpt.data.lessons import answer_batch, lessons
from tinygpt.data.masking import masked
from tinygpt.data.ngrams import bits_per_byte, character_rulers, rulers
from tinygpt.data.packing import batches, pack, shuffled, split
from tinygpt.data.stream import Stream, drawn, next_tokens
from tinygpt.data.web import cached_path, download, tiny_shakespeare

__all__ = [
    "Corpus",
    "NGram",
    "Stream",
    "answer_batch",
    "batches",
    "bits_per_byte",
    "cache_folder",
    "cached_path",
    "character_rulers",
    "documentation",
    "download",
    "drawn",
    "lessons",
    "masked",
    "near_duplicates",
    "next_tokens",
    "pack",
    "rulers",
    "shuffled",
    "split",
    "tiny_shakespeare",
    "worlds",
]
