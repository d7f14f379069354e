"""The Python side of the switches view."""

from __future__ import annotations

import pytest
import torch
from views import samples

from tinygpt.views import switches


def test_its_text_names_the_heads_that_matter_most() -> None:
    view = switches([1.0, 1.5, 1.1, 2.0], [[0.9], [0.4], [0.8], [0.1]], ["cat"], [(0, 0), (1, 0)])
    assert view._text().splitlines() == [
        "Switches view: 2 heads, loss 1.000 nats with all on, 2.000 with all off",
        "L0H0 off alone: +0.500 nats",
        "L1H0 off alone: +0.100 nats",
    ]


def test_the_right_next_token_is_said() -> None:
    losses, probs = samples.combinations(2, 2)
    view = switches(losses, probs, ["a", "b"], ["x", "y"], answer="b")
    wanted = f"right next token “b”: {probs[0, 1]:.3f} with all on, {probs[3, 1]:.3f} with all off"
    assert view._text().splitlines()[-1] == wanted
    with pytest.raises(ValueError, match=r"one of the tokens; got 'c'. Try one of \['a', 'b'\]"):
        switches(losses, probs, ["a", "b"], ["x", "y"], answer="c")


def test_tensors_are_read() -> None:
    losses, probs = samples.combinations(2, 3)
    heads = ["L0H0", "L1H1"]
    same = switches(torch.tensor(losses), torch.tensor(probs), list("abc"), heads)
    assert repr(same) == repr(switches(losses, probs, list("abc"), heads))


def test_heads_stand_in_a_layer_by_head_grid_where_their_names_say_so() -> None:
    losses, probs = samples.combinations(3, 1)
    places = lambda heads: switches(losses, probs, ["a"], heads)._header()["places"]  # noqa: E731
    assert places([(1, 0), (1, 5), (3, 0)]) == [[0, 0], [0, 1], [1, 0]]
    assert places(["one", "two", "L0H0"]) == [[0, 0], [0, 1], [0, 2]]


def test_misuse_is_refused() -> None:
    losses, probs = samples.combinations(2, 2)
    with pytest.raises(ValueError, match=r"3 heads have 2\^3 = 8 combinations"):
        switches(losses, probs, ["a", "b"], ["x", "y", "z"])
    with pytest.raises(ValueError, match="there are 1 tokens"):
        switches(losses, probs, ["a"], ["x", "y"])
    with pytest.raises(ValueError, match="different heads"):
        switches(losses, probs, ["a", "b"], ["x", "x"])
    with pytest.raises(ValueError, match="between 0 and 1"):
        switches(losses, probs * 2, ["a", "b"], ["x", "y"])


def test_selected_names_the_heads_that_are_off() -> None:
    losses, probs = samples.combinations(2, 2)
    view = switches(losses, probs, ["a", "b"], [(0, 0), (0, 1)])
    heard: list[tuple[str, ...]] = []
    view.on_select(heard.append)
    view.widget.selected = ["L0H1"]
    assert view.selected == ("L0H1",) and heard == [("L0H1",)]
    view.selected = ()
    assert view.widget.selected == []
    with pytest.raises(ValueError, match="L9H9"):
        view.selected = ("L9H9",)
