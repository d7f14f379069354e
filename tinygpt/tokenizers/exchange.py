"""Tokenizers of other libraries: tiktoken's ranks, Hugging Face's `tokenizer.json`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygpt.tokenizers.bpe import BPETokenizer
from tinygpt.tokenizers.merging import merge_all
from tinygpt.tokenizers.words import compile_pattern

if TYPE_CHECKING:
    import tiktoken

# A file of Hugging Face names this pattern by `use_regex`.
GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
# There, a token's name has one letter for each byte: the byte's own if it is printable in Latin-1, else the
# next one above.
PRINTABLE = [*range(33, 127), *range(161, 173), *range(174, 256)]
OTHERS = [byte for byte in range(256) if byte not in PRINTABLE]
LETTERS = {byte: chr(byte) for byte in PRINTABLE} | {byte: chr(256 + i) for i, byte in enumerate(OTHERS)}
BYTES = {letter: byte for byte, letter in LETTERS.items()}


def from_tiktoken(encoding: str | tiktoken.Encoding) -> BPETokenizer:
    """The tokenizer that gives the same ids as an encoding of tiktoken.

    Its ranks say what can be merged but not of which two tokens; that is found by encoding each token with
    the ranks below its own. Ids that the encoding leaves out become special tokens `<|unused …|>`.

    Args:
        encoding: An encoding, or the name of one, such as `"gpt2"` or `"cl100k_base"`: tiktoken fetches its
            ranks the first time and keeps them.

    Raises:
        ModuleNotFoundError: tiktoken is not installed: `pip install tiktoken`.
        OSError: The ranks of the name are not in tiktoken's cache and could not be fetched.
        ValueError: There is no encoding of that name, or its tokens are not made by merging bytes.

    Example:
        >>> tok = BPETokenizer(merges=[(104, 105), (32, 256)], specials=["<|end|>"])
        >>> from_tiktoken(tok.to_tiktoken()).merges
        ((104, 105), (32, 256))
    """
    if isinstance(encoding, str):
        encoding = _by_name(encoding)
    ranks = encoding._mergeable_ranks
    tokens = sorted(ranks, key=ranks.__getitem__)
    if [ranks[token] for token in tokens] != list(range(len(tokens))):
        raise ValueError(f"The ranks of {encoding.name} must be 0, 1, 2 …, but some are left out.")
    byte_order, merges = recover_merges(tokens)
    given = {i: text for text, i in encoding._special_tokens.items()}
    ids = range(len(tokens), encoding.n_vocab)
    specials = [given.get(i, f"<|unused {i}|>") for i in ids]
    pattern = _without_fallback(encoding._pat_str)
    return BPETokenizer(merges=merges, specials=specials, pattern=pattern, byte_order=byte_order)


def _by_name(name: str) -> tiktoken.Encoding:
    import tiktoken

    if name not in tiktoken.list_encoding_names():
        known = ", ".join(sorted(tiktoken.list_encoding_names()))
        raise ValueError(f"tiktoken has no encoding {name!r}. Try one of {known}.")
    try:
        return tiktoken.get_encoding(name)
    except (OSError, ImportError) as error:
        raise OSError(
            f"The ranks of {name!r} are not on this machine and could not be fetched "
            f"({type(error).__name__}). With a network, call tiktoken.get_encoding({name!r}) once; without "
            "one, copy its cache here and set TIKTOKEN_CACHE_DIR to that folder, or pass a tiktoken.Encoding "
            "made from ranks you have."
        ) from error


def recover_merges(tokens: Sequence[bytes]) -> tuple[list[int], list[tuple[int, int]]]:
    """The order of the 256 bytes and the merges, from the bytes of each token by id.

    Raises:
        ValueError: The first 256 tokens are not the bytes, or a later one is not made of two before it.

    Example:
        >>> recover_merges([*(bytes([i]) for i in range(256)), b"hi", b" hi"])[1]
        [(104, 105), (32, 256)]
    """
    byte_order = [token[0] for token in tokens[:256] if len(token) == 1]
    if len(set(byte_order)) < 256:
        raise ValueError(
            f"The first 256 tokens must be the single bytes; got {len(set(byte_order))} of them."
        )
    ids_of_bytes = bytes(map(byte_order.index, range(256)))
    made: dict[tuple[int, int], int] = {}
    for i, token in enumerate(tokens[256:], 256):
        pair = tuple(merge_all(token.translate(ids_of_bytes), made))
        if len(pair) != 2:
            raise ValueError(
                f"Token {i}, {token!r}, is made of {len(pair)} earlier tokens; byte-pair encoding merges two."
            )
        made[pair] = i
    return byte_order, list(made)


def huggingface_fields(tok: BPETokenizer) -> dict[str, Any]:
    """What a `tokenizer.json` says about this tokenizer."""
    names = [_name(tok.decode_bytes([i])) for i in range(256 + len(tok.merges))]
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    split = {"Regex": compile_pattern(_for_oniguruma(tok.pattern)).pattern}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": i, "content": text, **flags, "special": True} for text, i in tok.special_tokens.items()
        ],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": split, "behavior": "Isolated", "invert": False},
                byte_level,
            ],
        },
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {name: i for i, name in enumerate(names)},
            "merges": [f"{names[a]} {names[b]}" for a, b in tok.merges],
        },
    }


def _for_oniguruma(pattern: str) -> str:
    """The pattern for an engine in which the + of `x{1,3}+` repeats once more, instead of keeping all it has.

    Where an alternative ends, nothing asks for anything back, and the + can go.
    """
    ends = re.compile(r"(?<!\\)(\{\d*,?\d*\})\+(?=\||$)")
    plain = ends.sub(lambda m: m[1] if _depth(pattern[: m.start()]) == 0 else m[0], pattern)
    if re.search(r"(?<!\\)\{\d*,?\d*\}\+", plain):
        raise ValueError(
            f"A tokenizer.json cannot say {{…}}+ inside a pattern: its regular expressions would repeat it. "
            f"Write (?>…{{…}}) instead; got {pattern!r}."
        )
    return plain


def _depth(pattern: str) -> int:
    return pattern.count("(") - pattern.count(")")


def from_huggingface(path: str | Path) -> BPETokenizer:
    """The tokenizer in a Hugging Face `tokenizer.json`, if it is byte-level BPE and loses no text.

    Ids are those that `tokenizers` gives, which looks for special tokens everywhere: `encode` here does so
    only with `allow_special=True`.

    Args:
        path: The file, or the folder it is in.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file holds another kind of tokenizer, does something to the text that cannot be
            undone, or gives its ids in another order than bytes, merges, special tokens.
    """
    path = Path(path)
    file = path / "tokenizer.json" if path.is_dir() else path
    try:
        fields = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is no JSON: {error}.") from None
    return from_huggingface_fields(fields)


def from_huggingface_fields(fields: Mapping[str, Any]) -> BPETokenizer:
    """The tokenizer that a `tokenizer.json` describes."""
    try:
        _check(fields)
        model = fields["model"]
        added = sorted(fields.get("added_tokens") or [], key=lambda token: token["id"])
        specials = [token["content"] for token in added]
        vocab = {name: i for name, i in model["vocab"].items() if name not in specials}
        names = sorted(vocab, key=vocab.__getitem__)
        merges = [_merge_names(merge) for merge in model["merges"]]
        ids = [vocab[name] for name in names] + [token["id"] for token in added]
        pattern = _pattern(fields["pre_tokenizer"])
        if ids != list(range(len(ids))) or names[256:] != [left + right for left, right in merges]:
            raise _Unlike("ids in another order than bytes, merges in the order learnt, added tokens")
        return BPETokenizer(
            merges=[(vocab[left], vocab[right]) for left, right in merges],
            specials=specials,
            pattern=pattern,
            byte_order=[BYTES[name] for name in names[:256]],
        )
    except (KeyError, TypeError, AttributeError):
        raise ValueError(
            "This is no tokenizer.json of byte-level BPE: a field is missing or strange, or a token has "
            "letters that stand for no byte."
        ) from None


class _Unlike(ValueError):
    """A tokenizer.json that says more than a BPETokenizer can."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"from_huggingface reads byte-level BPE that loses no text; this tokenizer.json has {what}. "
            "Use the library tokenizers for it."
        )


def _check(fields: Mapping[str, Any]) -> None:
    model = fields["model"]
    # Older files do not name the model's type.
    if model.get("type", "BPE") != "BPE":
        raise _Unlike(f"a model of type {model['type']}")
    for key in (
        "dropout",
        "continuing_subword_prefix",
        "end_of_word_suffix",
        "byte_fallback",
        "ignore_merges",
    ):
        if model.get(key):
            raise _Unlike(f"{key}={model[key]!r}")
    if fields.get("normalizer"):
        raise _Unlike(f"a normalizer, {fields['normalizer']['type']}")
    post = fields.get("post_processor")
    if post and post["type"] != "ByteLevel":
        raise _Unlike(f"a post_processor, {post['type']}, that adds tokens of its own")
    for token in fields.get("added_tokens") or []:
        if token.get("lstrip") or token.get("rstrip") or token.get("single_word"):
            raise _Unlike(f"an added token, {token['content']!r}, that takes more or less than its text")


def _pattern(pre_tokenizer: Mapping[str, Any]) -> str:
    steps = pre_tokenizer.get("pretokenizers", [pre_tokenizer])
    *splits, last = steps
    if last["type"] != "ByteLevel" or last.get("add_prefix_space") or len(splits) > 1:
        raise _Unlike(f"another pre_tokenizer, {[step['type'] for step in steps]} with its options")
    if not splits and last.get("use_regex", True):
        return GPT2_PATTERN
    if not splits or last.get("use_regex", True):
        raise _Unlike("no pattern, or two")
    split = splits[0]
    if split["type"] != "Split" or split["behavior"] != "Isolated" or split.get("invert"):
        raise _Unlike(f"another pre_tokenizer, {split['type']} with its options")
    return _without_fallback(split["pattern"]["Regex"])


def _without_fallback(pattern: str) -> str:
    return pattern.removesuffix(compile_pattern("").pattern)


def _merge_names(merge: str | Iterable[str]) -> tuple[str, str]:
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left, right


def _name(token: bytes) -> str:
    return "".join(LETTERS[byte] for byte in token)
