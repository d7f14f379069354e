"""What a run says of itself: numbers, pictures, and the same again after JSON."""

from __future__ import annotations

import json
from itertools import pairwise
from xml.etree import ElementTree

import matplotlib
import pytest

from tinygpt.training import Run, Step

matplotlib.use("agg")


def run(n: int = 20, **options) -> Run:
    steps = [Step(i, 5.0 - i / 10, 1e-3, 1.0, 128, 0.5, {"accuracy": i / n}) for i in range(n)]
    return Run(
        steps,
        measured={"val loss": [(0, 5.0), (n, 3.5)], "induction score": [(0, 0.0), (n, 0.9)]},
        ruler={"uniform": 5.2, "bigram": 3.9},
        total=40,
        **options,
    )


def test_numbers() -> None:
    assert run().losses[:2] == [5.0, 4.9]
    assert run().final_loss == pytest.approx((3.2 + 3.1) / 2)  # the last tenth: 2 of 20
    assert run(3).final_loss == pytest.approx(4.8)
    assert run().seconds == pytest.approx(10.0)
    assert run().tokens_per_second == pytest.approx(256.0)


def test_the_headline_says_how_far_how_well_and_how_fast() -> None:
    assert run().headline() == "step 20 of 40 · loss 3.150 · 256 tokens/s · 10 s"
    assert run(interrupted=True).headline().startswith("stopped at 20 of 40")
    assert repr(run()) == f"Run({run().headline()})"


def test_a_run_without_a_step_shows_itself_too() -> None:
    empty = Run()
    assert (empty.headline(), empty._repr_svg_()) == ("no step yet", None)
    assert ElementTree.fromstring(empty.svg()) is not None
    with pytest.raises(ValueError, match="no step yet, so it has no loss"):
        empty.final_loss  # noqa: B018


def test_series() -> None:
    assert run().series("val loss") == ([0, 20], [5.0, 3.5])
    with pytest.raises(KeyError, match=r"nothing was measured as 'x'; there are \['induction score', 'val"):
        run().series("x")


def test_the_plot_has_the_losses_the_ruler_and_what_was_asked_for() -> None:
    from matplotlib import pyplot as plt

    ax = run().plot(measurements=["val loss"])
    by_label = {line.get_label(): line for line in ax.get_lines()}
    assert list(by_label["training loss"].get_xdata()) == list(range(1, 21))
    assert list(by_label["training loss"].get_ydata()) == run().losses
    assert "induction score" not in by_label
    assert list(by_label["val loss"].get_ydata()) == [5.0, 3.5]
    assert {text.get_text() for text in ax.texts} == {"uniform 5.20", "bigram 3.90"}
    levels = {line.get_ydata()[0] for line in ax.get_lines() if line.get_linestyle() == "--"}
    assert levels == {5.2, 3.9}
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("step", "loss (nats)")
    assert run().plot(ax) is ax
    plt.close(ax.figure)


def test_the_picture_has_the_losses_only() -> None:
    svg = run().svg()
    assert "val loss" in svg and "bigram 3.90" in svg and "step 20 of 40" in svg
    assert "induction score" not in svg


def test_it_comes_back_from_json() -> None:
    there = run(interrupted=True)
    assert Run.from_dict(json.loads(json.dumps(there.to_dict()))) == there


def test_names_of_a_ruler_that_would_overlap_are_pushed_apart() -> None:
    crowded = run()
    crowded.ruler = {"bigram": 3.3, "uniform": 3.47, "unigram": 3.44}
    ax = crowded.plot()
    low, high = ax.get_ylim()
    heights = [text.xy[1] for text in ax.texts]
    assert [text.get_text() for text in ax.texts] == ["uniform 3.47", "unigram 3.44", "bigram 3.30"]
    assert all(above - below >= 0.05 * (high - low) for above, below in pairwise(heights))
    assert [line.get_ydata()[0] for line in ax.lines[1:]] == [3.3, 3.47, 3.44], (
        "the lines stay where they are"
    )
