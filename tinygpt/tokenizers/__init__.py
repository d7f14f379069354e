"""Text into token ids and back: characters and byte-level byte-pair encoding."""

from tinygpt.tokenizers.base import Tokenizer
from tinygpt.tokenizers.bpe import PATTERN, BPETokenizer
from tinygpt.tokenizers.bpe_training import train_bpe
from tinygpt.tokenizers.characters import CharacterTokenizer, train_characters
from tinygpt.tokenizers.exchange import from_huggingface, from_tiktoken
from tinygpt.tokenizers.files import from_json, load
from tinygpt.tokenizers.steps import MergeStep, merge_steps

__all__ = [
    "PATTERN",
    "BPETokenizer",
    "CharacterTokenizer",
    "MergeStep",
    "Tokenizer",
    "from_huggingface",
    "from_json",
    "from_tiktoken",
    "load",
    "merge_steps",
    "train_bpe",
    "train_characters",
]
