"""The KV cache view: its bytes against the cache itself, and what a reader meets in a real Chromium."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from views import inside, lab
from views.pages import READY, Page, open_notebook, prints, run_cell

from tinygpt.models import GPTConfig, KVCache
from tinygpt.views import CACHES, CacheGrowth, kv_cache

browser_test = pytest.mark.browser
WORDS = ["the", " cat", " sat", " on", " a", "</b>$", "."]


def model() -> Any:
    return inside.model(n_heads=4, n_kv_heads=2, context=64)


def shown(**options: Any) -> CacheGrowth:
    return kv_cache(model(), [0, 1, 2, 3, 5], WORDS, **options)


def cases(view: CacheGrowth) -> list[dict[str, Any]]:
    """Settings, and what Python makes of them; through the view itself, as a page would set it."""
    given = [
        ["this model", 20, 12, 3, 1, 0, 4.0],
        ["this model", 20, 12, 3, 4, 16, 0.5],
        ["Mistral 7B", 4000, 3000, 64, 8, 4096, 2.0],
        ["Llama 3.1 405B", 100_000, 31_072, 512, 128, 0, 4.0],
    ]
    found = []
    for values in given:
        view.widget.selected = values
        shape = view._shapes[values[0]]
        names = ("prompt", "fresh", "batch", "heads", "window", "number")
        now = dict(zip(names, values[1:], strict=True))
        weights = shape.parameters * shape.weight_bytes
        found.append({"model": values[0], "now": now, "bytes": view.nbytes, "weights": weights})
    return found


def test_javascript_agrees_with_python(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        lab.not_run("No node, which runs the views' JavaScript. Install Node.js 18 or newer.")
    view = shown()
    payload = base64.b64encode(view._packed()[1]).decode()
    golden = {"payload": payload, "norms": view._norms.ravel().tolist(), "cases": cases(view)}
    (tmp_path / "golden.json").write_text(json.dumps(golden))
    done = subprocess.run(
        [node, "--test", str(Path(__file__).with_name("kv_cache.test.mjs"))],
        env=os.environ | {"GOLDEN": str(tmp_path / "golden.json")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


@pytest.mark.parametrize("heads", [None, 2, 1])
@pytest.mark.parametrize("window", [None, 16])
@pytest.mark.parametrize("number", [torch.float32, torch.bfloat16])
def test_the_formula_is_the_caches_memory(heads: int | None, window: int | None, number: torch.dtype) -> None:
    shape = {"vocab_size": 9, "n_layers": 3, "n_heads": 4, "d_model": 32, "context": 48}
    config = GPTConfig(**shape, n_kv_heads=heads, window=window)
    view = kv_cache(config, n_prompt=20, n_generated=11, batch_size=5, bytes_per_number=number.itemsize)
    assert view.nbytes == KVCache(config, 5, length=31, dtype=number).nbytes


def test_published_models_have_the_sizes_that_are_known() -> None:
    """Parameters as counted in the published weights; bytes per token in 2 bytes by hand."""
    counted = {
        "GPT-2": (124_439_808, 36_864),
        "Llama 2 7B": (6_738_415_616, 524_288),
        "Llama 2 70B": (68_976_648_192, 327_680),
        "Mistral 7B": (7_241_732_096, 131_072),
        "Llama 3 8B": (8_030_261_248, 131_072),
        "Llama 3 70B": (70_553_706_496, 327_680),
        "Llama 3.1 405B": (405_853_388_800, 516_096),
    }
    assert {name: (shape.parameters, shape.bytes(1)) for name, shape in CACHES.items()} == counted
    assert all(shape.source for shape in CACHES.values())
    mistral = CACHES["Mistral 7B"]
    assert mistral.bytes(8192) == mistral.bytes(4096) == 4096 * 131_072, "the window keeps 4096"


def test_norms_are_those_in_the_cache() -> None:
    net, view = model(), shown()
    cache = KVCache(net.config, 1, length=5)
    with torch.no_grad():
        net(torch.tensor([[0, 1, 2, 3, 5]]), cache)
    kept = torch.stack([cache.keys, cache.values])[:, :, 0].norm(dim=-1)
    np.testing.assert_allclose(view._norms, kept, rtol=1e-5)


def test_its_text_tells_the_settings_and_every_model() -> None:
    view = shown(n_prompt=8, n_generated=4, batch_size=2)
    lines = view._text().splitlines()
    size = 2 * 3 * 2 * 2 * 12 * 4 * 4
    assert lines[0] == (
        f"KV cache view: 3 layers × 2 key/value heads of 4; (8 + 4 tokens) × 2 in 4 bytes: {size:,} bytes"
    )
    assert [line.split(":")[0] for line in lines[2:-2]] == ["this model", *CACHES]
    assert "Llama 2 7B: 524.3 kB per token in 2 bytes, 2.15 GB for 4,096 tokens, weights 13.5 GB" in lines
    assert lines[-2] == "text: the·cat·sat·on</b>$"
    assert lines[-1].startswith(f"mean norms: L0 keys {view._norms[0, 0].mean():.2f} values ")


def test_python_follows_the_page() -> None:
    view = shown()
    assert (view.selected["n_prompt"], view.selected["n_generated"]) == (5, 16)
    view.widget.selected = ["Llama 3 8B", 4000, 96, 4, 8, 1024, 2.0]
    assert view.selected == {
        "model": "Llama 3 8B",
        "n_prompt": 4000,
        "n_generated": 96,
        "batch_size": 4,
        "n_kv_heads": 8,
        "window": 1024,
        "bytes_per_number": 2.0,
    }
    assert view.nbytes == 4 * 1024 * 131_072 and ", window 1024;" in view._text()
    assert view.png().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        ((inside.model().config, [1, 2]), {}, "a config computes no keys"),
        ((inside.model(),), {"n_prompt": 0}, "n_prompt must be 1 or more"),
        ((inside.model(),), {"n_prompt": 10, "n_generated": 7}, "fit the context of 16; got 10 and 7"),
        ((inside.model(), [1] * 17), {"n_prompt": 1}, "a text of 17"),
        ((inside.model(),), {"batch_size": 0}, "batch_size must be 1 or more"),
        ((inside.model(),), {"bytes_per_number": 0}, "bytes positive"),
    ],
)
def test_misuse_is_refused(given: tuple[Any, ...], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kv_cache(*given, **options)


def test_a_config_will_do_and_the_page_stays_small() -> None:
    config = replace(model().config, context=1024)
    view = kv_cache(config)
    assert view._norms is None and (view.selected["n_prompt"], view.selected["n_generated"]) == (512, 256)
    assert len(view.fragment()) <= 64 * 1024


# In a browser


def slider(page: Any, name: str) -> Any:
    return page.get_by_role("slider", name=name)


def facts(page: Page) -> dict[str, str]:
    return dict(zip(*(page.page.locator(f"dl {tag}").all_inner_texts() for tag in ("dt", "dd")), strict=True))


@browser_test
def test_sliders_set_the_size(show: Callable[..., Page]) -> None:
    page = show(shown(n_prompt=8, n_generated=4))
    assert page.said == "2 × 3 layers × 1 × 2 heads × 12 tokens × 4 × 4 bytes = 2.30 kB"
    page.press(slider(page.page, "generated tokens"), *["ArrowRight"] * 3)
    page.press(slider(page.page, "batch"), "ArrowRight", "ArrowRight")
    page.press(slider(page.page, "key/value heads"), "End")
    page.press(slider(page.page, "bytes per number"), "ArrowRight")
    page.press(slider(page.page, "window"), "Home")
    assert page.said == "2 × 3 layers × 4 × 4 heads × 4 tokens × 4 × 2 bytes = 3.07 kB"
    assert facts(page)["cache now"] == "3.07 kB"
    assert facts(page)["against every head, no window"] == f"{4 / 15:.3f} ×"
    assert "4 are held" in page.page.locator(".lanes").get_attribute("aria-label")
    page.press(slider(page.page, "prompt tokens"), "End")
    assert slider(page.page, "generated tokens").is_disabled(), "the context is full"
    page.page.keyboard.press("Escape")
    assert page.said.startswith("2 × 3 layers × 1 × 2 heads × 12 tokens")


@browser_test
def test_a_published_model_stands_beside_its_weights(show: Callable[..., Page]) -> None:
    page = show(shown())
    page.page.get_by_label("Model").select_option("Llama 2 7B")
    page.press(slider(page.page, "prompt tokens"), "End")
    found = facts(page)
    assert (found["cache now"], found["weights, 2 bytes each"]) == ("2.15 GB", "13.5 GB")
    assert found["cache / weights"] == "0.16 ×" and found["as large as the weights"] == "not in its context"
    page.press(slider(page.page, "batch"), *["ArrowRight"] * 4)
    assert facts(page)["as large as the weights"] == f"at {-(-6_738_415_616 * 2 // (16 * 524_288)):,} tokens"
    assert page.page.get_by_text("Source: Touvron et al. 2023").is_visible()
    page.page.get_by_role("button", name="Table").click()
    rows = page.page.locator("tbody tr")
    assert rows.count() == 1 + len(CACHES)
    assert "Mistral 7B" in rows.nth(4).inner_text() and "131 kB" in rows.nth(4).inner_text()


@browser_test
def test_the_pointer_tells_who_wrote_a_token(show: Callable[..., Page]) -> None:
    page = show(shown(n_prompt=16, n_generated=16))
    held = page.page.locator(".lanes")
    box = held.bounding_box()
    across = lambda token: {"x": 38 + (token + 0.5) / 64 * (box["width"] - 50), "y": 40}  # noqa: E731
    held.hover(position=across(4))
    assert page.said == (
        "Layer 0, key/value head 0 for query heads 0 to 1, token 4: written in the prefill, with all of the "
        "prompt; a key and a value of 4 numbers in each of 1 sequence"
    )
    held.hover(position=across(20))
    assert "token 20: written by decode step 5;" in page.said
    held.hover(position=across(50))
    assert "token 50: not used yet" in page.said
    page.press(slider(page.page, "window"), "Home")
    held.hover(position=across(20))
    assert "token 20: dropped" in page.said


@browser_test
def test_real_norms_are_told(show: Callable[..., Page]) -> None:
    page, view = show(shown()), shown()
    grid = page.page.get_by_label("Norms:")
    page.press(grid, "ArrowRight", "ArrowDown", "ArrowDown")
    key = f"{np.float16(view._norms[0, 1, 0, 1]):.3f}"
    assert page.said == f"L1, key/value head 0, token 1 “·cat”: norm of its key {key}"
    page.page.get_by_role("button", name="values").click()
    page.press(grid, "ArrowUp")
    value = f"{np.float16(view._norms[1, 0, 1, 1]):.3f}"
    assert page.said == f"L0, key/value head 1, token 1 “·cat”: norm of its value {value}"


@browser_test
def test_it_generates_by_itself(show: Callable[..., Page]) -> None:
    page = show(shown(n_prompt=50, n_generated=11))
    page.page.get_by_role("button", name="Generate").click()
    page.page.get_by_text("64 tokens × 4 × 4 bytes").wait_for()
    assert lab.within(page.page.get_by_role("button", name="▶ Generate").is_visible, 10), "it stops"


@browser_test
def test_budgets(show: Callable[..., Page]) -> None:
    inside.check_budgets(show, shown(), 64, "canvas")


@browser_test
@pytest.mark.parametrize("width", [480, 700])
def test_nothing_leaves_a_narrow_page(show: Callable[..., Page], width: int) -> None:
    inside.check_width(show(shown(), viewport={"width": width, "height": 700}), width)


CELLS = """
import sys; sys.path.insert(0, {tests!r})
from views import test_kv_cache
view = test_kv_cache.shown()
view
---
print("cache of", view.selected["model"], view.nbytes)
"""


@browser_test
def test_a_kernel_hears_of_the_settings(server: lab.Lab, browser: Any) -> None:
    sources = CELLS.format(tests=str(lab.ROOT / "tests")).strip().split("\n---\n")
    lab.notebook(server.folder / "kv_cache.ipynb", *sources)
    context = browser.new_context(viewport={"width": 1400, "height": 1400})
    page = open_notebook(context, server.url("kv_cache.ipynb"))
    run_cell(page, 0)
    live = page.locator(f"[data-tinygpt-live]{READY}")
    live.wait_for()
    live.get_by_label("Model").select_option("Llama 3 8B")
    slider(live, "prompt tokens").press("End")
    assert prints(page, 1, f"cache of Llama 3 8B {8192 * 131_072}.0")
    context.close()
    server.end_kernels()
