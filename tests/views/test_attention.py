"""The Python side of the attention view: what it accepts, what it ships, what it says."""

from __future__ import annotations

import numpy as np
import pytest
from views import samples

from tinygpt.views import attention


def test_text_is_deterministic_and_names_the_heads() -> None:
    view = attention(samples.seen(2, 4, 16), samples.pieces(16))
    assert repr(view) == "Attention view: 2 layers × 4 heads over 16 tokens, causal"
    assert "previous token: L0H0" in view._text()
    again = attention(samples.seen(2, 4, 16), samples.pieces(16))
    assert view.html() == again.html() and view.png() == again.png()


def test_refuses_other_queries_than_keys() -> None:
    with pytest.raises(ValueError, match="square patterns"):
        attention({"blocks.0.attn.pattern": np.ones((1, 2, 1, 5), np.float32)}, ["a"] * 5)
