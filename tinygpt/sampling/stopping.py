"""When a row of generated text ends: at some ids, or when a text has come."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Bool, Int

    from tinygpt.tokenizers import Tokenizer


class Stop:
    """Listens to the new tokens of B rows. True when there is anything to listen for.

    Attributes:
        ids: that end a row.
        texts: that end a row, as bytes, since a token may hold half a character.
        fill: what an ended row is given from then on.
    """

    def __init__(self, ids: list[int], texts: list[bytes], tok: Tokenizer | None, n_rows: int) -> None:
        self.ids, self.texts, self.tok = torch.tensor(ids, dtype=torch.long), texts, tok
        self.fill, self.known = ids[0] if ids else -1, frozenset(ids)
        self.tails = [b""] * n_rows
        self.longest = max(map(len, texts), default=0)

    @classmethod
    def of(cls, stop: Iterable[int | str], tok: Tokenizer | None, n_rows: int) -> Stop:
        """Sorts ids from texts.

        Raises:
            ValueError: for a text without a tokenizer, or an empty one.
        """
        stop = [stop] if isinstance(stop, str) else list(stop)
        texts = [one for one in stop if isinstance(one, str)]
        if texts and tok is None:
            raise ValueError(f"stop has the text {texts[0]!r}: pass the tokenizer too, generate(…, tok=tok).")
        if "" in texts:
            raise ValueError("stop has an empty text, with which every text ends. Leave it out.")
        ids = [int(one) for one in stop if not isinstance(one, str)]
        return cls(ids, [text.encode() for text in texts], tok, n_rows)

    def __bool__(self) -> bool:
        return bool(len(self.ids) or self.texts)

    def select(self, rows: Int[Tensor, " B"]) -> None:
        """Goes on for these rows only."""
        self.tails = [self.tails[row] for row in rows.tolist()]

    def heard(self, tokens: Int[Tensor, " B"]) -> Bool[Tensor, " B"]:
        """Whether each row ends with its new token."""
        self.ids = self.ids.to(tokens.device)
        ended = torch.isin(tokens, self.ids)
        if not self.texts:
            return ended
        came = [self._came(row, token) for row, token in enumerate(tokens.tolist())]
        return ended | torch.tensor(came, device=tokens.device)

    def ends(self, token: int) -> bool:
        """Whether the first row ends with its new token."""
        return token in self.known or bool(self.texts and self._came(0, token))

    def _came(self, row: int, token: int) -> bool:
        """Whether a text has come in the row; the end of what came is kept, where a text may have begun."""
        tail = self.tails[row] + (b"" if token < 0 else self.tok.decode_bytes([token]))
        self.tails[row] = tail[max(0, len(tail) - self.longest + 1) :]
        return any(text in tail for text in self.texts)
