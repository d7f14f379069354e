"""The tokens view: type a text and see what one tokenizer, or two side by side, make of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygpt.tokenizers import BPETokenizer, CharacterTokenizer
from tinygpt.tokenizers.base import to_bytes
from tinygpt.views._host import View
from tinygpt.views._regex import to_javascript

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from tinygpt.tokenizers import Tokenizer

_MOST = 20_000
_STUCK = (
    "A page cannot cut other texts as this tokenizer does, so you see the given text only. "
    "Call tg.views.tokens again for another."
)


def tokens(
    tok: Tokenizer,
    text: str,
    other: Tokenizer | None = None,
    *,
    names: Sequence[str] | None = None,
    price: float = 1.0,
) -> Tokens:
    """Shows a text as tokens, byte by byte, and lets the reader type another one without a kernel.

    bytes per token = (bytes of the text in UTF-8) / (tokens); cost = tokens · price / 10^6.

    Args:
        tok: A tokenizer. The page holds its merges: about 16 KB for a vocabulary of 4,096, 150 for 32,768.
        text: The text to open on, at most 20,000 characters; `surrogateescape` characters show as bytes.
        other: A second tokenizer, to compare with; pieces that share bytes are linked.
        names: What to call the tokenizers, one name each.
        price: Dollars per million tokens to open on; the reader can put in another.

    Returns:
        A view that shows itself as the last line of a cell.

    Raises:
        ValueError: The text is too long or holds something that a tokenizer has no token for, the price is
            negative, or there are not as many names as tokenizers.

    Example:
        >>> tok = BPETokenizer(merges=[(104, 105), (32, 256)])
        >>> tokens(tok, "hi hi")
        Tokens view: 5 characters, 5 bytes, 2 tokens (2.50 bytes per token)
    """
    return Tokens([tok] if other is None else [tok, other], text, names, price)


class Tokens(View):
    """The view that `tokens` returns."""

    _module = "tokens"
    _colours = 24

    def __init__(
        self, tokenizers: list[Tokenizer], text: str, names: Sequence[str] | None, price: float
    ) -> None:
        super().__init__()
        if len(text) > _MOST:
            raise ValueError(f"text must have at most {_MOST:,} characters; got {len(text):,}. Show a part.")
        if not price >= 0:
            raise ValueError(f"price must be dollars per million tokens, 0 or more; got {price}.")
        if names is not None and len(names) != len(tokenizers):
            raise ValueError(
                f"names must hold one name for each of {len(tokenizers)} tokenizers; got {names}."
            )
        self._tokenizers, self._given, self._price = tokenizers, text, float(price)
        self._names = list(names) if names is not None else _names(tokenizers)
        self._ids = [tok.encode(text) for tok in tokenizers]

    def _header(self) -> dict[str, Any]:
        packed, at = [], len(to_bytes(self._given))
        for tok, name, ids in zip(self._tokenizers, self._names, self._ids, strict=True):
            fields = _fields(tok)
            one = {"name": name, "size": tok.vocab_size, "specials": list(tok.special_tokens.items())}
            one |= {"text": [0, len(to_bytes(self._given))], "ids": ids, "at": at}
            allowed = tok.encode(self._given, allow_special=True)
            one["allowed"] = None if allowed == ids else allowed
            if fields["kind"] == "given":
                fields["table"] = [[i, list(tok.decode_bytes([i]))] for i in sorted({*ids, *allowed})]
            packed.append(one | fields)
            at += len(_merges(tok))
        return {"tokenizers": packed, "price": self._price, "stuck": _STUCK}

    def _data(self) -> bytes:
        return to_bytes(self._given) + b"".join(map(_merges, self._tokenizers))

    def _text(self) -> str:
        size = len(to_bytes(self._given))
        what = [f"{len(ids)} tokens ({size / max(len(ids), 1):.2f} bytes per token)" for ids in self._ids]
        if len(what) > 1:
            what = [f"{one} by {name}" for one, name in zip(what, self._names, strict=True)]
        lines = [f"Tokens view: {len(self._given)} characters, {size} bytes, {', '.join(what)}"]
        for tok, ids in zip(self._tokenizers, self._ids, strict=True):
            more = " …" * (len(ids) > 60)
            lines.append("|".join(tok.pieces(ids[:60])) + more)
            lines.append(" ".join(map(str, ids[:60])) + more)
        return "\n".join(lines)

    def _figure(self) -> Figure:
        from tinygpt.views._pieces_figure import figure

        rows = [
            (f"{name}: {len(ids)} tokens", [(i, tok.pieces([i])[0]) for i in ids])
            for tok, name, ids in zip(self._tokenizers, self._names, self._ids, strict=True)
        ]
        return figure(rows)


def _names(tokenizers: list[Tokenizer]) -> list[str]:
    kinds = {BPETokenizer: "BPE", CharacterTokenizer: "characters"}
    named = [f"{kinds.get(type(tok), type(tok).__name__)} {tok.vocab_size}" for tok in tokenizers]
    return ["A: " + named[0], "B: " + named[1]] if len(set(named)) < len(named) else named


def _fields(tok: Tokenizer) -> dict[str, Any]:
    """What JavaScript must know to encode as this tokenizer does."""
    if type(tok) is CharacterTokenizer:
        return {"kind": "characters", "characters": list(map(ord, tok.characters))}
    pattern = to_javascript(tok.pattern) if type(tok) is BPETokenizer else None
    if pattern is None:
        return {"kind": "given"}
    order = {} if tok.byte_order == tuple(range(256)) else {"bytes": tok.byte_order}
    return {
        "kind": "bpe",
        "pattern": pattern,
        "merges": len(tok.merges),
        "width": _width(tok),
        **order,
    }


def _width(tok: BPETokenizer) -> int:
    return 2 if 256 + len(tok.merges) <= 1 << 16 else 3


def _merges(tok: Tokenizer) -> bytes:
    """The merges' ids, all their high bytes first."""
    if _fields(tok)["kind"] != "bpe":
        return b""
    ids = np.array(tok.merges, ">u4").reshape(-1, 1).view(np.uint8).reshape(-1, 4)
    return ids[:, 4 - _width(tok) :].T.tobytes()
