"""The bug hunt of chapter 02, "There and back again, nearly": which half lost it, and the repair of one."""

from __future__ import annotations

from collections.abc import Callable

from torch import Generator

from tinygpt.grading.checks.draws import dice, numbers
from tinygpt.grading.exercise import Case, Exercise, Fault


def _going_in(answer: str = "words") -> str:
    return answer


def _coming_out(answer: str = "decode") -> str:
    return answer


NOBODY = Fault(
    "nobody accused", "Put in the word for the part that you found guilty.", {"answer": "nobody yet"}
)

lost_going_in = Exercise(
    name="lost_going_in",
    arguments=(),
    returns="a word",
    reference=_going_in,
    attempt=_going_in,
    faults=(
        NOBODY,
        Fault(
            "accused the bytes",
            "`word.encode()` is UTF-8, which has bytes for every character. Ask `gets_in` about `_`: which "
            "part saw it last?",
            {"answer": "bytes"},
        ),
        Fault(
            "accused the joining",
            "`merge` replaces two ids by one that stands for the same bytes, so it cannot lose any. Compare "
            '`colleague.merge(b"_")` with `colleague.encode("_")`.',
            {"answer": "merge"},
        ),
        Fault(
            "accused the ranks",
            "Whatever the order of the merges, the ids stand for the same bytes. Another order gives other "
            "tokens, and loses nothing.",
            {"answer": "ranks"},
        ),
        Fault(
            "accused the way out",
            "That is in the other half. Shrink with `gets_in` alone: what is missing before anything is "
            "decoded?",
            {"answer": "decode"},
        ),
    ),
    cases=(Case("the part that loses text on the way in", lambda g: ()),),
)

lost_coming_out = Exercise(
    name="lost_coming_out",
    arguments=(),
    returns="a word",
    reference=_coming_out,
    attempt=_coming_out,
    faults=(
        NOBODY,
        Fault(
            "accused the table",
            "`gets_in` joins the entries of the table, and has every byte of `ï`. The table is right; what "
            "is made of its entries?",
            {"answer": "table"},
        ),
        Fault(
            "accused the order",
            "The ids come in the order of the text, and `decode` goes through them in that order.",
            {"answer": "order"},
        ),
        Fault(
            "accused the way in",
            "That is in the other half. Find a text for which `gets_in` is true and `comes_back` is false.",
            {"answer": "words"},
        ),
    ),
    cases=(Case("the part that loses text on the way out", lambda g: ()),),
)


def decode_oracle(ids: list[int], table: list[bytes]) -> str:
    data = bytearray()
    for i in ids:
        data += table[i]
    return str(data, "utf-8", "replace")


def decode_attempt(ids: list[int], table: list[bytes], *, unit: str = "all", errors: str = "replace") -> str:
    """Decoding with a knob for each known way to go wrong."""
    tokens = [table[i] for i in ids]
    if unit == "tokens":
        return "".join(token.decode("utf-8", errors) for token in tokens)
    if unit == "spaced":
        return " ".join(token.decode("utf-8", errors) for token in tokens)
    if unit == "bytes as characters":
        return b"".join(tokens).decode("latin-1")
    if unit == "cut":
        return _whole_only(b"".join(tokens))
    text = b"".join(tokens).decode("utf-8", errors)
    return text.strip() if unit == "stripped" else text


def _whole_only(data: bytes) -> str:
    """Without the unfinished character at the end, if there is one."""
    for n in range(4):
        try:
            return data[: len(data) - n].decode()
        except UnicodeDecodeError:
            continue
    return data.decode("utf-8", "replace")


def _tokens(text: str, cut: int = 0) -> Callable[[Generator], tuple]:
    """Some of the characters (or, where there are none, any bytes) cut into tokens anywhere between bytes."""

    def draw(generator: Generator) -> tuple:
        rng = dice(generator)
        data = "".join(rng.choices(text, k=8)).encode() if text else bytes(numbers(rng, 8, 256))
        data = data[: len(data) - cut]
        pieces = []
        while data:
            n = rng.randint(1, 3)
            pieces.append(data[:n])
            data = data[n:]
        table = [*dict.fromkeys((*pieces, b" ", b"\xc3", b"zz"))]
        rng.shuffle(table)
        return [table.index(piece) for piece in pieces], table

    return draw


decode_ids = Exercise(
    name="decode_ids",
    arguments=("ids", "table"),
    returns="a text",
    reference=decode_oracle,
    attempt=decode_attempt,
    faults=(
        Fault(
            "each token by itself",
            "Still each token by itself: a token may be half of an é, which alone is not UTF-8. Join the "
            "bytes of all of them first.",
            {"unit": "tokens"},
        ),
        Fault(
            "each token by itself, silently",
            "Each token is decoded by itself, and what is half a character is dropped without a word. Join "
            "the bytes first.",
            {"unit": "tokens", "errors": "ignore"},
        ),
        Fault(
            "broken bytes dropped",
            "Bytes that are not UTF-8 vanish. They should show as �, or nobody sees: `errors='replace'`.",
            {"errors": "ignore"},
        ),
        Fault(
            "broken bytes spelt out",
            "Bytes that are not UTF-8 show as `\\\\x…`. They should show as �: `errors='replace'`.",
            {"errors": "backslashreplace"},
        ),
        Fault(
            "broken bytes kept in hiding",
            "`surrogateescape` keeps broken bytes as characters that no file can hold. Wanted is �.",
            {"errors": "surrogateescape"},
        ),
        Fault(
            "unfinished end dropped",
            "An unfinished character at the end is cut off. It should show as �, so that one sees it is "
            "there.",
            {"unit": "cut"},
        ),
        Fault(
            "bytes taken for characters",
            "Each byte became a character of its own, as in Latin-1, and é came out as Ã©. The bytes are "
            "UTF-8.",
            {"unit": "bytes as characters"},
        ),
        Fault("tokens spaced", "You put spaces between tokens. A token brings its own.", {"unit": "spaced"}),
        Fault("stripped", "Blanks at the ends are stripped. They belong to the text.", {"unit": "stripped"}),
    ),
    laws=(),
    cases=(
        Case("plain English", _tokens("the cat. "), times=3),
        Case("characters cut across tokens", _tokens("é東😀 a"), times=4),
        Case(
            "a text that ends in the middle of a character",
            _tokens("😀", cut=2),
            times=3,
            advice="What is not UTF-8 shows as �.",
        ),
        Case("nonsense bytes", _tokens(""), times=4, advice="What is not UTF-8 shows as �."),
        Case("no ids", lambda g: ([], [b"a"])),
    ),
    shortcuts=("tinygpt.tokenizers", "tiktoken", "tokenizers"),
)
