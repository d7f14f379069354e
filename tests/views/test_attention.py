"""The Python side of the attention view: what it accepts, what it ships, what it answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from views import samples

from tinygpt.views import attention
from tinygpt.views._patterns import masked_scores


def test_its_text_names_the_heads() -> None:
    view = attention(samples.seen(2, 4, 16), samples.pieces(16))
    assert repr(view) == "Attention view: 2 layers × 4 heads over 16 tokens, causal"
    assert "most on the previous token: L0H0" in view._text()
    assert "most on the first token: L0H1" in view._text() or "first token: L1H0" in view._text()


def test_tensors_of_any_kind_are_read() -> None:
    seen = samples.seen(1, 2, 6)
    tensors = {name: torch.tensor(value).bfloat16().requires_grad_() for name, value in seen.items()}
    assert repr(attention(tensors, samples.pieces(6))) == repr(attention(seen, samples.pieces(6)))


def test_a_batch_row_can_be_chosen() -> None:
    one, two = samples.seen(1, 1, 6, seed=1), samples.seen(1, 1, 6, seed=2)
    both = {name: np.concatenate([one[name], two[name]]) for name in one}
    assert attention(both, samples.pieces(6), batch=1).html() == attention(two, samples.pieces(6)).html()
    with pytest.raises(ValueError, match="below the batch size; got 2 and 2"):
        attention(both, samples.pieces(6), batch=2)


@pytest.mark.parametrize(
    ("seen", "pieces", "options", "message"),
    [
        ({"blocks.0.residual": np.ones((1, 2, 4), np.float32)}, "ab", {}, r"Try capture\(model"),
        (samples.seen(1, 1, 4), "abc", {}, "got 3 for 4 tokens"),
        (samples.seen(1, 1, 2), "ab", {"head": (1, 0)}, r"got \(1, 0\)"),
        (samples.seen(1, 1, 2), "ab", {"head": (0, 1)}, "a head from 0 to 0"),
        (None, "ab", {}, "needs seen"),
        (None, "ab", {"frames": []}, "needs seen"),
        (samples.seen(1, 1, 2), "ab", {"frames": [(0, samples.seen(1, 1, 2))]}, "one of the frames"),
        (None, "ab", {"frames": [(0, samples.seen(1, 1, 2)), (1, samples.seen(1, 2, 2))]}, "alike"),
        (None, "ab", {"frames": [(0, samples.seen(1, 1, 2)), (1, samples.seen(2, 1, 2))]}, "same layers"),
        (
            {"blocks.0.attn.pattern": np.ones((1, 2, 1, 5), np.float32)},
            "abcde",
            {},
            "other queries than keys",
        ),
    ],
)
def test_misuse_is_refused_with_a_remedy(seen: object, pieces: str, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        attention(seen, list(pieces), **options)


def test_curves_need_as_many_y_as_x() -> None:
    view = attention(samples.seen(1, 1, 2), ["a", "b"], curves={"loss": ([1, 2], [1.0])})
    with pytest.raises(ValueError, match="2 x and 1 y"):
        view.html()


def test_scores_are_shipped_where_they_fit_and_explain_the_pattern() -> None:
    kind = lambda view: view._header()["kind"]  # noqa: E731
    assert kind(attention(samples.seen(4, 4, 32), samples.pieces(32))) == "scores"
    assert kind(attention(samples.seen(4, 4, 32, keep_scores=False), samples.pieces(32))) == "rounded"
    assert kind(attention(samples.seen(12, 12, 64), samples.pieces(64))) == "rounded"
    other = samples.seen(1, 1, 8) | {"blocks.0.attn.scores": np.zeros((1, 1, 8, 8), np.float32)}
    view = attention(other, samples.pieces(8))
    assert kind(view) == "rounded" and "do not give this pattern" in view._header()["hint"]
    huge = {
        "blocks.0.attn.pattern": np.eye(2)[None, None],
        "blocks.0.attn.scores": 1e6 * np.eye(2)[None, None],
    }
    assert kind(attention(huge, ["a", "b"])) == "rounded"


def test_a_mask_inside_the_triangle_becomes_minus_infinity() -> None:
    scores = np.array([[0.0, 9.0], [-200.0, 3.0]], np.float32)
    pattern = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    # The 9 was hidden by a mask; the -200 underflowed by itself and keeps its score.
    np.testing.assert_array_equal(masked_scores(pattern, scores), [[0.0, -np.inf], [-200.0, 3.0]])


def test_an_encoder_is_shown_whole() -> None:
    view = attention(samples.seen(1, 2, 6, causal=False), samples.pieces(6))
    assert view._header()["causal"] is False and "every key visible" in repr(view)
    assert len(view._data()) == 2 * 2 * 36


def test_a_query_that_sees_nothing_is_shown_as_zeros() -> None:
    seen = samples.seen(1, 1, 3)
    seen["blocks.0.attn.pattern"][0, 0, 1] = np.nan
    assert "NaN" not in attention(seen, samples.pieces(3))._text()


def test_frames_keep_their_place_on_the_axis_and_open_where_asked() -> None:
    frames = [
        ("step 0", samples.seen(1, 1, 4)),
        (1500, samples.seen(1, 1, 4)),
        ("end", samples.seen(1, 1, 4)),
    ]
    header = attention(None, samples.pieces(4), frames=frames)._header()
    assert header["frames"] == [
        {"label": "step 0", "x": 0.0},
        {"label": "step 1500", "x": 1500.0},
        {"label": "end", "x": 2.0},
    ]
    assert header["opened"] == 2
    assert attention(frames[1][1], samples.pieces(4), frames=frames)._header()["opened"] == 1


def test_long_curves_are_thinned_and_gaps_kept() -> None:
    y = np.arange(5000.0)
    y[0] = np.nan
    header = attention(samples.seen(1, 1, 2), ["a", "b"], curves={"loss": (range(5000), y)})._header()
    x, thin = header["curves"]["loss"]
    assert len(x) == len(thin) <= 401 and x[-1] == 4999 and thin[0] is None


def test_the_live_view_hears_and_tells_what_is_selected() -> None:
    view = attention(samples.seen(2, 3, 4), samples.pieces(4), head=(1, 2))
    heard: list[tuple[int, int]] = []
    view.on_select(heard.append)
    assert view.widget.selected == [1, 2]
    view.widget.selected = [0, 1]
    assert view.selected == (0, 1) and heard == [(0, 1)]
    view.selected = (1, 1)
    assert view.widget.selected == [1, 1] and heard[-1] == (1, 1)
    with pytest.raises(ValueError, match=r"got \(2, 0\)"):
        view.selected = (2, 0)


def test_update_changes_the_live_view_and_keeps_a_selection_that_still_exists() -> None:
    view = attention(samples.seen(2, 3, 4), samples.pieces(4), head=(1, 2))
    before = view.widget.payload
    view.update(samples.seen(2, 3, 6), samples.pieces(6))
    assert view.widget.payload != before and view.selected == (1, 2)
    assert view.widget.payload == view._packed()[1]
    view.update(samples.seen(1, 2, 6), samples.pieces(6))
    assert view.selected == (0, 0) == tuple(view.widget.selected)
    with pytest.raises(ValueError, match="got 2 for 6 tokens"):
        view.update(samples.seen(2, 3, 6), ["a", "b"])
    assert view._layers == [0], "a refused update leaves the view as it was"


def test_the_kernel_answers_with_exact_values() -> None:
    seen = samples.seen(12, 12, 64)
    view = attention(seen, samples.pieces(64))
    message, buffer = view._answer({"frame": 0, "row": 3, "head": 5, "start": 7})
    high, low = np.frombuffer(buffer, np.uint8).reshape(2, -1)
    values = (high.astype(np.uint16) << 8 | low).view(np.float16)
    query, key = np.tril_indices(64)
    assert message == {"start": 7, "kind": "scores"}
    np.testing.assert_array_equal(values, seen["blocks.3.attn.scores"][0, 5][query, key].astype(np.float16))


def test_the_dot_product_is_claimed_only_where_queries_and_keys_prove_it() -> None:
    seen = samples.with_queries(4, 6, width=8, groups=2)
    view = attention(seen, samples.pieces(6))
    assert (view._width, view._score) == (8, "q·k ÷ √K")
    distance = np.arange(6)[:, None] - np.arange(6)
    biased = seen["blocks.0.attn.scores"] - 0.5 * distance
    pattern = samples.softmax(np.where(distance < 0, -np.inf, biased))
    alibi = attention(
        seen | {"blocks.0.attn.scores": biased, "blocks.0.attn.pattern": pattern}, samples.pieces(6)
    )
    assert (alibi._kind, alibi._width, alibi._score) == ("scores", None, "q·k ÷ √K + position bias")
    proven = lambda seen: (lambda view: (view._width, view._score))(attention(seen, samples.pieces(6)))  # noqa: E731
    assert proven(samples.seen(1, 1, 6)) == (None, "")
    unscaled = np.sqrt(8) * seen["blocks.0.attn.scores"]
    hidden = samples.softmax(np.where(distance < 0, -np.inf, unscaled))
    assert proven(seen | {"blocks.0.attn.scores": unscaled, "blocks.0.attn.pattern": hidden}) == (None, "")


def test_every_checkpoint_must_prove_the_dot_product() -> None:
    whole = samples.with_queries(1, 6, width=8)
    bare = {name: value for name, value in whole.items() if not name.endswith(("queries", "keys"))}
    prove = lambda *seen: attention(None, samples.pieces(6), frames=list(enumerate(seen)))._width  # noqa: E731
    assert (prove(whole, whole), prove(whole, bare)) == (8, None)
