"""The model map: its sums against `cost` and real models, and what a reader meets in a real Chromium."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from views import inside
from views.pages import Page

from tinygpt.models import GPT, Encoder, EncoderDecoder, GPTConfig, cost, gpt2_shape, taps
from tinygpt.views import model_map
from tinygpt.views._parts import plan

browser_test = pytest.mark.browser
SMALL = {"vocab_size": 50, "n_layers": 2, "n_heads": 4, "d_model": 32, "context": 24}
CONFIGS = [
    GPTConfig(**SMALL),
    GPTConfig(**SMALL, n_kv_heads=2, activation="swiglu", d_ff=40, tied=False),
    GPTConfig(**SMALL, bias=True, norm="layernorm", position="learned", norm_first=False),
    GPTConfig(**SMALL, bias=True, norm="layernorm", activation="swiglu", n_kv_heads=1),
]
ATTENTION_ONLY = GPTConfig(**SMALL, d_ff=0)
FAMILIES = {"gpt": GPT, "encoder": Encoder, "encoder-decoder": EncoderDecoder}
EVERY = [(config, family) for config in CONFIGS for family in FAMILIES] + [(ATTENTION_ONLY, "gpt")]


@pytest.mark.parametrize(("config", "family"), EVERY)
def test_its_sums_are_those_of_cost(config: GPTConfig, family: str) -> None:
    view, bill = (
        model_map(config, family, bytes_per_weight=2),
        cost(config, family=family, bytes_per_weight=2),
    )
    leaves = list(plan(config, family).leaves())
    sums = lambda field, *kinds: sum(n * getattr(leaf, field) for leaf, n in leaves if leaf.kind in kinds)  # noqa: E731
    for kind, wanted in bill.parameters.items():
        both = ("attention", "cross") if kind == "attention" else (kind,)
        assert sums("parameters", *both) == wanted, kind
    products = sum(n * leaf.flops for leaf, n in leaves if leaf.name in ("scores", "mix"))
    attention = sums("flops", "attention", "cross") - products
    work = bill.forward_flops
    assert (attention, products) == (work["attention_projections"], work["attention_products"])
    assert (sums("flops", "feed_forward"), sums("flops", "head")) == (work["feed_forward"], work["head"])
    caches = {"gpt": 1, "encoder": 0, "encoder-decoder": 2}[family]
    memory = bill.weight_bytes + caches * config.context * bill.kv_bytes_per_token
    total = {"parameters": bill.n_parameters, "flops": sum(work.values()), "memory": memory}
    assert view.totals == total


@pytest.mark.parametrize(("config", "family"), EVERY)
def test_every_part_is_a_module_with_as_many_weights_or_a_tap(config: GPTConfig, family: str) -> None:
    model = FAMILIES[family](config, seed=0)
    found = plan(config, family)
    own = 0
    for stack in found.stacks:
        for part in stack.block.children:
            for leaf in part.children or (part,):
                path = f"{stack.path}blocks.1.{part.path}" + (f".{leaf.path}" if part.children else "")
                if not leaf.weights:
                    assert path in taps(model)
                    continue
                assert sum(p.numel() for p in model.get_submodule(path).parameters()) == leaf.parameters, path
                own += stack.count * leaf.parameters
    ends = [*found.before, *found.after]
    own += sum(stack.norm.parameters for stack in found.stacks) + sum(part.parameters for part in ends)
    assert own == model.n_parameters and repr(model_map(model)) == repr(model_map(config, family))


def test_norms_stand_before_or_behind_what_they_norm() -> None:
    paths = lambda **changes: [  # noqa: E731
        part.path for part in plan(GPTConfig(**SMALL, **changes), "encoder-decoder").stacks[1].block.children
    ]
    assert paths() == ["attn_norm", "attn", "cross_norm", "cross", "mlp_norm", "mlp"]
    assert paths(norm_first=False) == ["attn", "attn_norm", "cross", "cross_norm", "mlp", "mlp_norm"]


def test_its_text_names_the_shares() -> None:
    lines = model_map(gpt2_shape())._text().splitlines()
    assert lines[0] == "Model map: GPT of 12 blocks, 124,439,808 parameters"
    assert lines[1].startswith("124,439,808 parameters: embedding 31.0%, positions 0.6%, attention 22.8%")
    assert lines[4].startswith("block: attn_norm 1,536, q 590,592, ")


def test_misuse_is_refused() -> None:
    with pytest.raises(ValueError, match=r"one of .'gpt', 'encoder', 'encoder-decoder'.; got 'bert'"):
        model_map(CONFIGS[0], "bert")
    with pytest.raises(ValueError, match="family must be 'gpt'; got 'encoder'"):
        model_map(inside.model(), "encoder")
    with pytest.raises(ValueError, match="metric must be one of"):
        model_map(CONFIGS[0], metric="time")
    changed = inside.model()
    changed.blocks[0].mlp.up = changed.blocks[0].attn.q
    with pytest.raises(ValueError, match=r"Pass model\.config"):
        model_map(changed)


@browser_test
def test_blocks_open_one_at_a_time_by_pointer_and_keys(show: Callable[..., Page]) -> None:
    page = show(model_map(GPTConfig(**SMALL, tied=False)))
    rows = lambda: page.page.locator(".row .name").all_inner_texts()  # noqa: E731
    opened = [
        "embedding",
        "block 0",
        "norm",
        "attention",
        "norm",
        "feed-forward",
        "block 1",
        "last norm",
        "head",
    ]
    assert rows() == opened
    item = lambda name: page.page.get_by_role("treeitem").filter(has_text=name)  # noqa: E731
    item("attention").click()
    assert rows()[3:10] == ["attention", "q", "k", "v", "scores", "mix", "out"]
    item("scores").hover()
    assert page.said.startswith("block 0 › attention › scores: no weights; B H T K and B G S K → B H T S; ")
    page.page.mouse.move(2, 2)
    assert page.said.startswith("block 0 › attention: ")
    item("block 1").click()
    assert rows() == ["embedding", "block 0", "block 1", *opened[2:6], "last norm", "head"]
    page.press(item("block 1"), "ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight", "ArrowDown")
    assert "weights D × G·K = 32 × 4·8; B T D → B G S K; 1,024 parameters" in page.said
    assert page.said.endswith("blocks.1.attn.k")
    page.press(page.page.locator(".row[tabindex='0']"), "ArrowLeft", "ArrowLeft")
    assert rows()[3:6] == ["norm", "attention", "norm"] and page.said.endswith("blocks.1.attn")
    page.page.keyboard.press("End")
    assert page.said.startswith("head: weights D × V = 32 × 50")
    page.page.keyboard.press("Escape")
    assert rows() == opened


@browser_test
def test_bars_show_parameters_flops_or_memory(show: Callable[..., Page]) -> None:
    config = GPTConfig(**SMALL)
    page, bill = show(model_map(config)), cost(config)
    chips = page.page.locator(".chips")
    block = page.page.get_by_role("treeitem").filter(has_text="block 0").locator("output")
    fill = lambda name: page.page.get_by_role("treeitem").filter(has_text=name).locator("i")  # noqa: E731
    wide = lambda name: fill(name).bounding_box()["width"]  # noqa: E731
    assert f"{bill.n_parameters / 1000:.1f} k parameters" in chips.inner_text()
    each = (bill.parameters["attention"] + bill.parameters["feed_forward"]) // 2 + 64
    assert block.inner_text() == f"{each / 1000:.1f} k"
    ratio = bill.parameters["embedding"] / each
    assert wide("embedding") / wide("block 0") == pytest.approx(ratio, abs=0.02)
    track = page.page.locator(".track").first.bounding_box()["width"]
    assert max(wide("embedding"), wide("block 0")) == pytest.approx(track, abs=0.1)
    page.page.get_by_role("button", name="FLOPs").click()
    assert f"{sum(bill.forward_flops.values()) / 1e6:.2f} MFLOPs" in chips.inner_text()
    head = bill.forward_flops["head"] / sum(bill.forward_flops.values())
    assert f"head {head:.1%}".replace("%", " %") in chips.inner_text()
    page.page.get_by_role("button", name="memory").click()
    assert "Bars show bytes: 4 for each weight" in page.said
    page.page.get_by_role("button", name="Table").click()
    assert f"in all {bill.n_parameters:,} parameters, " in page.page.locator("caption").inner_text()
    rows = [row.locator("td").all_inner_texts() for row in page.page.locator("tbody tr").all()]
    total = sum(int(times) * int(n.replace(",", "")) for _, _, times, n, *_ in rows)
    assert total == bill.n_parameters


@browser_test
@pytest.mark.parametrize(
    ("config", "family"), [(gpt2_shape(), "gpt"), (gpt2_shape(n_layers=96), "encoder-decoder")]
)
def test_budgets(show: Callable[..., Page], config: GPTConfig, family: str) -> None:
    inside.check_budgets(show, model_map(config, family), 60, ".row")


@browser_test
@pytest.mark.parametrize("width", [480, 700])
def test_nothing_leaves_a_narrow_page(show: Callable[..., Page], width: int) -> None:
    page = show(model_map(gpt2_shape(), "encoder-decoder"), viewport={"width": width, "height": 700})
    page.page.get_by_role("treeitem").filter(has_text="attention").first.click()
    inside.check_width(page, width)
