"""The LoRA view: its numbers against PyTorch's, and what a reader meets in a real Chromium."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from views import inside
from views.pages import Page

from tinygpt.alignment import add_lora, use_lora
from tinygpt.alignment.lora import lora_layers
from tinygpt.models import GPT
from tinygpt.views import lora

browser_test = pytest.mark.browser


def adapted(**ranks: int) -> GPT:
    """A model with adapters, one by keyword, of which "wide" is on every matrix of the blocks."""
    model = inside.model()
    for i, (name, rank) in enumerate(ranks.items()):
        targets = "blocks.*" if name == "wide" else "*.attn.[qv]"
        add_lora(model, rank=rank, name=name, targets=targets, alpha=3.0, seed=i)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for layer in lora_layers(model).values():
            for adapter in layer.adapters.values():
                adapter.B.normal_(0, 0.1, generator=generator)
    return model


def test_what_is_added_is_what_the_adapter_adds_at_full_share() -> None:
    model = adapted(pirate=2, wide=3)
    layers = lora_layers(model)
    wanted = {
        (name, path): (1.5 if name == "pirate" else 1.0) * (adapter.B @ adapter.A).detach()
        for path, layer in layers.items()
        for name, adapter in layer.adapters.items()
    }
    use_lora(model, {"pirate": 0.3})
    deltas = {(one.adapter, one.path): one for one in lora(model)._deltas}
    assert set(deltas) == set(wanted) and len(deltas) == 6 + 18
    for key, delta in deltas.items():
        np.testing.assert_allclose(delta.matrix, wanted[key], atol=1e-6)
        values = torch.linalg.svdvals(wanted[key])
        np.testing.assert_allclose(delta.sizes, values[: len(delta.sizes)], rtol=1e-4)
        assert values[len(delta.sizes) :].max() < 1e-6
        base = layers[key[1]].base.weight
        assert delta.share == pytest.approx(float(wanted[key].norm() / base.detach().norm()), rel=1e-5)


def test_its_text_and_places() -> None:
    view = lora(adapted(pirate=2, wide=3), "wide")
    lines = view._text().splitlines()
    first = "LoRA view: 2 adapters, pirate of rank 2 on 6 matrices, wide of rank 3 on 18 matrices"
    assert lines[0] == first
    most = max((one for one in view._deltas if one.adapter == "wide"), key=lambda one: one.share)
    assert view.selected == ("wide", most.path)
    assert lines[2].startswith(f"wide: largest in {most.row} {most.column}, norm {most.norm:.3g}, ")
    assert lines[2].endswith(", the other 13 are 0")
    places = {(one.path, one.row, one.column) for one in view._deltas}
    assert ("blocks.2.mlp.down", "L2", "mlp.down") in places
    assert {one.path for one in lora(adapted(wide=1), layers="*.mlp.*")._deltas} == {
        f"blocks.{i}.mlp.{name}" for i in range(3) for name in ("up", "down")
    }


def test_misuse_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"no layer '\*' has an adapter; there are \[\]"):
        lora(inside.model())
    with pytest.raises(ValueError, match=r"has an adapter called 'poet'; there are \['pirate'\]"):
        lora(adapted(pirate=1), "poet")
    monkeypatch.setattr("tinygpt.views._lora._MOST", 100)
    with pytest.raises(ValueError, match=r"a page holds 100 numbers of adapters; these have 192"):
        lora(adapted(pirate=1))


def few(value: float) -> str:
    """As the page writes small numbers."""
    digits = int(np.clip(3 - np.floor(np.log10(abs(value) or 1)), 2, 6))
    return f"{value:.{digits}f}".replace("-", "−")


@browser_test
def test_pointer_and_keys_show_the_matrix_of_a_cell(show: Callable[..., Page]) -> None:
    view = lora(adapted(pirate=2, wide=3), "wide")
    page = show(view)
    opened = page.said
    grid = page.page.get_by_label("Layers down")
    target = next(one for one in view._deltas if one.adapter == "wide" and one.path == "blocks.1.attn.k")
    grid.hover(position=inside.place(grid, 1, 1))
    first = (target.sizes[0] / target.norm) ** 2
    assert page.said == (
        f"wide, L1 attn.k: norm {few(target.norm)}, {100 * target.share:.1f} % of the base's; "
        f"the first of 3 directions holds {100 * first:.1f} % of its square"
    )
    page.page.mouse.move(2, 2)
    assert page.said == opened
    grid.click(position=inside.place(grid, 1, 1))
    whole = page.page.get_by_label("Heat map of what is added to L1 attn.k")
    box = whole.bounding_box()
    whole.hover(position={"x": (5 + 0.5) * box["width"] / 16, "y": (9 + 0.5) * box["height"] / 16})
    said = float(page.said.split(": ")[-1].replace("−", "-"))
    assert "; out 9, in 5: " in page.said and said == pytest.approx(target.matrix[9, 5], rel=5e-3, abs=2e-5)
    page.page.mouse.move(2, 2)
    page.press(whole, "ArrowDown", "ArrowDown", "ArrowRight")
    assert "; out 1, in 1: " in page.said
    page.page.keyboard.press("Escape")
    assert page.said == opened


@browser_test
def test_fewer_directions_sum_to_less(show: Callable[..., Page]) -> None:
    view = lora(adapted(pirate=3))
    page = show(view)
    target = next(one for one in view._deltas if one.path == view.selected[1])
    whole, slider = page.page.get_by_label("Heat map"), page.page.get_by_role("slider")
    assert slider.get_attribute("aria-valuetext") == "3 of 3 directions summed"
    page.press(slider, "Home")
    assert slider.get_attribute("aria-valuetext") == "1 of 3 directions summed"
    page.press(whole, "ArrowDown")
    said = float(page.said.split(": ")[-1].replace("−", "-"))
    alone = target.sizes[0] * np.outer(target.left[:, 0], target.right[:, 0])
    assert said == pytest.approx(alone[0, 0], rel=5e-3, abs=2e-5)
    assert abs(alone[0, 0] - target.matrix[0, 0]) > 1e-4


@browser_test
def test_another_adapter_keeps_the_matrix(show: Callable[..., Page]) -> None:
    page = show(lora(adapted(pirate=2, wide=3)))
    path = page.said.split(": ")[0].removeprefix("pirate, ")
    page.page.get_by_role("button", name="wide").click()
    assert page.said.startswith(f"wide, {path}: ")
    assert page.page.get_by_role("img", name="the other 13 are 0").count() == 1
    page.page.get_by_role("button", name="Table").click()
    assert page.page.locator("table").first.locator("tbody tr").count() == 18
    assert page.page.locator("table").last.locator("tbody tr").count() == 3


@browser_test
def test_budgets(show: Callable[..., Page]) -> None:
    model = inside.model(vocab_size=64, n_layers=4, d_model=128)
    for i in range(3):
        add_lora(model, rank=4, name=f"a{i}", seed=i)
    inside.check_budgets(show, lora(model), 120, "canvas[tabindex]")


@browser_test
@pytest.mark.parametrize("width", [480, 700])
def test_nothing_leaves_a_narrow_page(show: Callable[..., Page], width: int) -> None:
    view = lora(adapted(pirate=2, wide=8), "wide")
    inside.check_width(show(view, viewport={"width": width, "height": 700}), width)
