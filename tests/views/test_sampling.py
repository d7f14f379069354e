"""The sampling view: its filters against Python's, its text, and what a reader meets in a real Chromium."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from views import inside, lab
from views.pages import READY, Page, keeps, open_notebook, prints, run_cell

from tinygpt.lineage import shipped
from tinygpt.models import GPT
from tinygpt.sampling import apply, banned, generate, logit_bias, trace
from tinygpt.views import Sampling, sampling
from tinygpt.views._continuations import Codes, Continuations, reading
from tinygpt.views._stages import OPENING, filter_of

browser_test = pytest.mark.browser
WORDS = ["the", " cat", " sat", " on", " a", " mat", ".", " dog", " ran", " off", " and"]
VALUES = {
    "logit_bias": [[], [[0, 2.5], [3, -0.1]], [[1, -10.0]]],
    "banned": [[], [2], [0, 3]],
    "repetition_penalty": [0.7, 1.3],
    "presence_penalty": [-0.5, 1.0],
    "frequency_penalty": [-0.2, 0.7],
    "no_repeat_ngram": [1, 2, 3],
    "temperature": [0.3, 2.0],
    "top_k": [1, 5, 999],
    "top_p": [0.05, 0.5, 0.6, 0.95, 1.0],
    "min_p": [0.0, 0.05, 0.3],
    "typical": [0.05, 0.5, 0.95, 1.0],
    "top_n_sigma": [0.5, 1.5],
}

Stages = list[list[Any]]


def model(V: int = len(WORDS), apart: float = 12) -> GPT:
    """Small and untrained, but with logits that lie apart."""
    result = inside.model(vocab_size=V)
    with torch.no_grad():
        result.head.weight.mul_(apart)
    return result


def shown(**options: Any) -> Sampling:
    return sampling(model(), [0, 1, 2, 3], WORDS, **{"places": 6, "depth": 2} | options)


def logits_of(kind: int, rng: np.random.Generator, V: int = 60) -> np.ndarray:
    """Random logits; of some kinds with ties, all equal, or with tokens that are cut already."""
    logits = rng.normal(size=V) * 3
    if kind == 1:
        logits = np.round(logits)
    if kind == 2:
        logits[rng.permutation(V)[:20]] = -np.inf
    if kind == 3:
        logits = np.zeros(4)  # of which two reach a half exactly
    return logits


def jsonable(logits: torch.Tensor | np.ndarray) -> list[float | None]:
    return [None if value == -np.inf else float(value) for value in logits.tolist()]


def case(logits: np.ndarray, ids: list[int], stages: Stages) -> dict[str, Any]:
    """What Python's filters make of logits, in double precision."""
    filters = [filter_of(name, value) for name, value, on in stages if on]
    steps = trace(filters, torch.from_numpy(logits), torch.tensor(ids, dtype=torch.long))
    last = steps[-1].after if steps else torch.from_numpy(logits)
    odds = torch.zeros_like(last) if last.isneginf().all() else last.softmax(-1)
    return {
        "logits": jsonable(logits),
        "ids": ids,
        "stages": stages,
        "after": [jsonable(step.after) for step in steps],
        "odds": odds.tolist(),
        "entropy": float(torch.special.entr(odds).sum()),
    }


def cases() -> list[dict[str, Any]]:
    """Each filter by itself at each value on each kind of logits, and pipelines of several in any order."""
    rng, made = np.random.default_rng(0), []
    for name, values in VALUES.items():
        for value in values:
            for kind in range(4):
                logits = logits_of(kind, rng)
                ids = rng.integers(min(len(logits), 6), size=rng.integers(9)).tolist()
                made.append(case(logits, ids, [[name, value, True]]))
    for i in range(60):
        logits, names = logits_of(i % 3, rng), rng.permutation(list(VALUES))[: 2 + i % 4]
        stages = [[str(name), VALUES[name][int(rng.integers(len(VALUES[name])))], True] for name in names]
        made.append(case(logits, rng.integers(12, size=9).tolist(), stages))
    return made


def orders() -> list[dict[str, Any]]:
    """The same filters in two orders: which tokens are cut in one alone, and how far probabilities differ."""
    rng, made = np.random.default_rng(1), []
    for pair in ([["temperature", 1.8], ["top_p", 0.7]], [["repetition_penalty", 3.0], ["top_k", 4]]):
        logits, ids = logits_of(0, rng), [int(i) for i in rng.permutation(60)[:20]]
        both = [[[*stage, True] for stage in stages] for stages in (pair, pair[::-1])]
        a, b = (case(logits, ids, stages)["odds"] for stages in both)
        only = [[i for i, share in enumerate(x) if share == 0 < y[i]] for x, y in ((a, b), (b, a))]
        assert any(only)
        made.append({"logits": jsonable(logits), "ids": ids, "now": both[0], "then": both[1], "cut": only})
        made[-1]["distance"] = float(np.abs(np.subtract(a, b)).sum() / 2)
    return made


def places(view: Sampling, read: Callable[..., np.ndarray]) -> list[dict[str, Any]]:
    return [
        {"path": path, "logits": codes.logits().tolist(), "read": read(path).tolist(), "step": codes.step}
        for path, codes in view._tree.known.items()
    ]


def costs(view: Sampling) -> list[list[Any]]:
    """Paths whose every place the page knows, with the log-probabilities of their tokens."""
    found = []
    for path in view._tree.known:
        view._selected = [list(path), *view._selected[1:]]
        found.append([path, view.log_probs])
    view._selected = [[], *view._selected[1:]]
    return found


def chi() -> dict[str, Any]:
    """Pearson's statistic by hand: the last two tokens expect fewer than 5 draws, and share a cell."""
    odds, counts, n = [0.5, 0.3, 0.14, 0.04, 0.02], [45, 32, 15, 6, 2], 100
    cells = [(50, 45), (30, 32), (14, 15), (6, 8)]
    value = sum((count - expected) ** 2 / expected for expected, count in cells)
    tail = float(torch.special.gammaincc(torch.tensor(1.5).double(), torch.tensor(value / 2).double()))
    return {"odds": odds, "counts": counts, "n": n, "value": value, "freedom": 3, "tail": tail}


def test_javascript_agrees_with_python(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        lab.not_run("No node, which runs the views' JavaScript. Install Node.js 18 or newer.")
    view = shown()
    pairs = [(a, x) for a in (0.5, 1.0, 4.5, 60.0) for x in (0.01, 0.8, 5.0, 70.0)]
    upper = torch.special.gammaincc(*torch.tensor(pairs, dtype=torch.double).T)
    golden = {
        "cases": cases(),
        "orders": orders(),
        "payload": base64.b64encode(view._packed()[1]).decode(),
        "places": places(view, reading(model(), [0, 1, 2, 3])),
        "costs": costs(view),
        "gamma": [[a, x, float(q)] for (a, x), q in zip(pairs, upper, strict=True)],
        "chi": chi(),
    }
    (tmp_path / "golden.json").write_text(json.dumps(golden))
    done = subprocess.run(
        [node, "--test", str(Path(__file__).with_name("sampling.test.mjs"))],
        env=os.environ | {"GOLDEN": str(tmp_path / "golden.json")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_codes_are_off_by_half_a_step_and_keep_what_is_cut() -> None:
    logits = np.random.default_rng(0).normal(size=500).astype(np.float32) * 5
    logits[7] = -np.inf
    codes = Codes.of(logits)
    back = codes.logits()
    assert back[7] == -np.inf and np.isfinite(np.delete(back, 7)).all()
    assert codes.step == pytest.approx(np.ptp(np.delete(logits, 7)) / 65534)
    assert np.abs(np.delete(back, 7) - np.delete(logits, 7)).max() <= 0.5 * codes.step * (1 + 1e-6)
    assert Codes.of(np.full(3, 2.0, np.float32)).logits().tolist() == [2.0] * 3
    for bad in ([-np.inf, -np.inf], [np.nan, 1.0], [np.inf, 1.0]):
        with pytest.raises(ValueError, match="logits must be finite"):
            Codes.of(np.array(bad, np.float32))


def test_the_likeliest_continuations_are_known() -> None:
    net, tree = model(), Continuations(reading(model(), [0, 1]))
    tree.grow(12, depth=2)
    assert len(tree.known) == 12 and max(map(len, tree.known)) == 2
    first = net(torch.tensor([[0, 1]]))[0, -1].argsort(descending=True)[:4].tolist()
    assert {(i,) for i in first} <= set(tree.known), "the first four come before deeper ones"
    sure = Continuations(reading(model(apart=200), [0, 1]))
    sure.grow(8, depth=9)
    assert sum(len(path) == 1 for path in sure.known) == 4 and max(map(len, sure.known)) > 2
    for path, codes in tree.known.items():
        wanted = net(torch.tensor([[0, 1, *path]]))[0, -1].detach().numpy()
        np.testing.assert_allclose(codes.logits(), wanted, atol=codes.step + 1e-5)


def test_its_text_tells_what_each_filter_cuts() -> None:
    view = shown(filters={"temperature": 0.5, "top_k": 3})
    lines = view._text().splitlines()
    assert lines[0] == "Sampling view: what comes after 4 tokens, of 11; temperature(0.5), top_k(3)"
    assert lines[1] == "text: the| cat| sat| on"
    assert lines[2:4] == ["temperature(0.5) cuts 0", "top_k(3) cuts 8"]
    logits = model()(torch.tensor([[0, 1, 2, 3]]))[0, -1].detach()
    before, after = logits.softmax(-1), apply(view.filters, logits, torch.tensor([0])).softmax(-1)
    best = before.argsort(descending=True)
    assert lines[4].startswith(f"next: “{WORDS[best[0]]}” {before[best[0]]:.3f} → {after[best[0]]:.3f}, ")
    assert f"“{WORDS[best[3]]}” {before[best[3]]:.3f} → cut by top_k(3)" in lines[4]
    entropies = [float(torch.special.entr(p).sum()) for p in (before, after)]
    assert lines[5] == f"entropy {entropies[0]:.3f} → {entropies[1]:.3f} nats, 3 tokens kept"


def test_python_follows_the_page() -> None:
    view = shown()
    heard: list[Any] = []
    view.on_select(heard.append)
    stages = [["top_p", 0.5, True], ["temperature", 2.0, True], ["top_k", 2, False]]
    view.widget.selected = [[4, 5], stages, [[[], 4, 0.25], [[4], None, 0.5]], [[], [4], [4, 5]]]
    assert view.ids == [0, 1, 2, 3, 4, 5] and len(heard) == 1
    assert [one.__name__ for one in view.filters] == ["top_p(0.5)", "temperature(2)"]
    assert len(generate(model(), view.ids, max_new_tokens=2, filters=view.filters, seed=0)) == 8
    named, unnamed = view.guesses
    odds = model()(torch.tensor([[0, 1, 2, 3]]))[0, -1].detach().softmax(-1)
    assert (named.text, named.token, named.share) == ((0, 1, 2, 3), 4, 0.25)
    assert named.actual == pytest.approx(float(odds[4]), rel=1e-3)
    assert named.rank == 1 + int((odds > odds[4]).sum()) and named.likeliest == int(odds.argmax())
    assert unnamed.token is None and unnamed.rank == 1 and unnamed.text == (0, 1, 2, 3, 4)
    text = view._text()
    assert f"after 4 tokens you said “ a” at 25%: it is {named.actual:.1%}, rank {named.rank}" in text
    assert "after 5 tokens you said the likeliest at 50%" in text


def test_biased_and_banned_tokens() -> None:
    view = shown(filters={"logit_bias": {4: 2.5, 7: -1.0}, "banned": [1, 0]})
    assert view._selected[1][:2] == [["logit_bias", [[4, 2.5], [7, -1.0]], True], ["banned", [1, 0], True]]
    assert [one.__name__ for one in view.filters] == ["logit_bias(4, 7)", "banned(0, 1)"]
    assert "banned(0, 1) cuts 2" in view._text()
    view.widget.selected = [[], [["banned", [5], True], ["logit_bias", [], False]], [], [[]]]
    assert [one.__name__ for one in view.filters] == ["banned(5)"]


def test_what_was_chosen_has_its_log_probabilities() -> None:
    view = shown()
    view.widget.selected = [[4, 9], view._selected[1], [], [[], [4], [4, 9]]]
    odds = model()(torch.tensor([[0, 1, 2, 3, 4, 9]]))[0].detach().log_softmax(-1)
    wanted = [float(odds[3, 4]), float(odds[4, 9])]
    assert view.log_probs == pytest.approx(wanted, abs=2e-3)
    first, second = view.log_probs
    said = f"log p of what was chosen: “ a” {first:.3f}, “ off” {second:.3f}; sum {first + second:.3f}"
    assert said in view._text()


def test_any_token_is_followed_with_a_kernel_and_kept() -> None:
    view = shown(places=1)
    message, codes = view._answer({"path": [9]})
    assert message["path"] == (9,) and len(codes) == 2 * len(WORDS)
    wanted = model()(torch.tensor([[0, 1, 2, 3, 9]]))[0, -1].detach().numpy()
    np.testing.assert_allclose(view._tree.known[(9,)].logits(), wanted, atol=message["step"] + 1e-5)
    assert [path for path, *_ in view._header()["places"]] == [(), (9,)]


def test_logits_will_do() -> None:
    view = sampling(torch.tensor([1.0, 2.0, -torch.inf]), vocabulary="abc", filters={"min_p": 0.5})
    assert view._text().splitlines()[-1].endswith("nats, 1 tokens kept")
    assert view._answer({"path": [1]}) is None and not view._header()["follow"]


def test_what_is_to_be_predicted_is_not_told() -> None:
    view = shown(predict=True)
    assert "next:" not in view._text() and "hidden until it is predicted" in view._text()
    view.widget.selected = [[], view._selected[1], [[[], 1, None]], [[]]]
    assert "next:" in view._text() and "you said “ cat”: it is" in view._text()


def test_a_large_vocabulary_keeps_the_page_small() -> None:
    logits = torch.randn(50_000, generator=torch.Generator().manual_seed(0)) * 3
    view = sampling(logits, [3, 49_999])
    names = view._header()["names"]
    assert len(names) <= 202 and {3, 49_999, int(logits.argmax())} <= set(names)
    assert len(sampling(model(5000), [1], places=40)._header()["places"]) == 32768 // 5000


def test_the_shipped_model_stays_within_its_budget() -> None:
    kept = shipped("pretrain")
    ids = kept.tokenizer.encode("Ada lives in the")
    view = sampling(kept.model, ids, kept.tokenizer.pieces(range(800)), filters={"top_p": 0.9})
    assert len(view._tree.known) == 40
    bundle = view._repr_mimebundle_()
    assert len(json.dumps(bundle)) <= 150 * 1024


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        ([], {}, "at least one token to read"),
        ([99], {}, r"ids from 0 to 10; got \[99\]"),
        (
            [1],
            {"filters": {"nucleus": 0.9}},
            "no filter is called 'nucleus'; the view has logit_bias",
        ),
        ([1], {"filters": {"banned": [11]}}, r"ids from 0 to 10; got \[11\]"),
        ([1], {"filters": {"logit_bias": {1: float("-inf")}}}, "Cut tokens with banned"),
        ([1], {"filters": {"logit_bias": {1: float("inf")}}}, "a bias must be a finite number"),
        ([1], {"filters": {"top_p": 1.5}}, "top_p needs a probability"),
        ([1], {"filters": {"top_k": 2.5}}, "top_k needs a whole number"),
        ([1], {"places": 0}, "places must be at least 1"),
    ],
)
def test_misuse_is_refused(given: list[int], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sampling(model(), given, WORDS, **options)


def test_all_filters_are_there() -> None:
    assert [name for name, *_ in shown(filters={"top_k": 3.0})._selected[1]] == [
        "top_k",
        *(name for name in OPENING if name != "top_k"),
    ]


# In a browser


def bar(page: Any, word: str) -> Any:
    return page.locator(f'.bars button[aria-label^="“{word.replace(" ", "·")}”"]')


def order(page: Page) -> list[str]:
    return page.page.locator(".stages label").all_inner_texts()


@browser_test
def test_sliders_cut_and_grey(show: Callable[..., Page]) -> None:
    page = show(shown())
    assert page.page.locator(".bars button:not([hidden])").count() == len(WORDS)
    page.page.get_by_role("checkbox", name="top_k").check()
    page.press(page.page.get_by_role("slider", name="top_k"), "Home", "ArrowRight", "ArrowRight")
    cut = page.page.locator(".bars button.cut")
    assert cut.count() == len(WORDS) - 3 and "✂ top_k 3" in cut.first.inner_text()
    facts = dict(
        zip(*(page.page.locator(f"dl {tag}").all_inner_texts() for tag in ("dt", "dd")), strict=True)
    )
    logits = model()(torch.tensor([[0, 1, 2, 3]]))[0, -1].detach()
    after = apply([filter_of("top_k", 3)], logits).softmax(-1)
    assert facts["tokens kept"] == "3 of 11"
    assert facts["entropy, nats"].endswith(f"→ {torch.special.entr(after).sum():.3f}")
    best = bar(page.page, WORDS[int(after.argmax())])
    assert f"{after.max():.1%}".replace("%", " %") in best.inner_text()
    page.page.get_by_role("button", name="Table").click()
    assert page.page.locator("tbody tr").count() == len(WORDS)


@browser_test
def test_filters_are_moved_by_keys_and_by_the_pointer(show: Callable[..., Page]) -> None:
    page = show(shown(filters={"temperature": 3.0, "top_p": 0.5}))
    assert order(page)[:2] == ["temperature", "top_p"] and not page.page.get_by_text("Undo").is_visible()
    before = page.page.locator(".bars button.cut").count()
    page.press(page.page.get_by_role("button", name="temperature, 1 of 12"), "ArrowDown")
    assert order(page)[:2] == ["top_p", "temperature"]
    after = page.page.locator(".bars button.cut").count()
    assert after > before, "hot first, more tokens are needed to reach p"
    assert page.page.locator(".bars button.differ").count() == after - before
    said = page.page.locator(".diff").inner_text()
    assert said.startswith("Before the move: temperature → top_p. Cut only in the new order: “")
    page.page.keyboard.press("ArrowDown")
    again = page.page.locator(".diff").inner_text()
    assert again == said and order(page)[2] == "temperature", "from where it stood first"
    page.page.get_by_role("button", name="Undo the move").click()
    assert order(page)[:2] == ["temperature", "top_p"]
    handle, target = page.page.get_by_role("button", name="top_p, 2"), page.page.locator(".stages li").first
    handle.hover()
    page.page.mouse.down()
    target.locator("output").hover()
    page.page.mouse.up()
    assert order(page)[:2] == ["top_p", "temperature"]


@browser_test
def test_a_text_grows_by_clicks_and_is_rewound(show: Callable[..., Page]) -> None:
    view = shown(places=8, depth=2)
    page, known = show(view), [path for path in view._tree.known if len(path) == 1]
    for path in known[:2]:
        bar(page.page, WORDS[path[0]]).click()
        assert page.page.locator(".text button").last.inner_text() == WORDS[path[0]].replace(" ", "·")
        page.page.locator(".text button").nth(3).click()
        assert page.page.locator(".text button").count() == 4
    tree = page.page.locator(".tree button")
    assert tree.all_inner_texts() == [WORDS[path[0]].replace(" ", "·") for path in known[:2]]
    tree.last.click()
    assert page.page.locator(".text button").count() == 5
    page.press(page.page.locator(".bars button").first, "ArrowDown", "Escape")
    assert page.page.locator(".text button").count() == 4
    unknown = page.page.locator(".bars button[aria-disabled=true]:not([hidden])").first
    unknown.click(force=True)
    page.page.mouse.move(2, 2)
    assert page.said.startswith("This page holds the likeliest continuations") and "Run the cell" in page.said


@browser_test
def test_tokens_are_banned_and_biased_by_typing_and_by_picking(show: Callable[..., Page]) -> None:
    page = show(shown())
    field = page.page.get_by_label("banned: add a token")
    field.fill("zebra")
    page.press(field, "Enter")
    assert page.said.startswith("No token of this vocabulary reads “zebra”")
    field.fill("mat")
    page.press(field, "Enter")
    assert "✂ banned" in bar(page.page, " mat").inner_text()
    assert page.page.get_by_role("checkbox", name="banned").is_checked()
    page.page.get_by_role("button", name="pick").nth(1).click()
    assert page.said == "Choose a bar: its token joins banned."
    bar(page.page, " dog").click()
    assert (
        page.page.locator(".bars button.cut").count() == 2 and page.page.locator(".text button").count() == 4
    )
    page.page.get_by_role("button", name="banned: remove ·mat").click()
    assert page.page.locator(".bars button.cut").count() == 1
    page.page.get_by_role("button", name="pick").first.click()
    page.page.keyboard.press("Escape")
    page.page.get_by_role("button", name="pick").first.click()
    bar(page.page, " cat").click()
    page.press(page.page.get_by_role("slider", name="logit_bias of"), "End")
    assert page.page.locator(".picks .chip").first.inner_text() == "·cat +10.0"
    logits = model()(torch.tensor([[0, 1, 2, 3]]))[0, -1].detach()
    after = apply([logit_bias({1: 10.0}), banned([7])], logits).softmax(-1)
    assert f"{after[1]:.1%}".replace("%", " %") in bar(page.page, " cat").inner_text()


@browser_test
def test_chosen_tokens_show_their_log_probabilities(show: Callable[..., Page]) -> None:
    view = shown(places=8, depth=2)
    page, path = show(view), next(path for path in view._tree.known if len(path) == 2)
    for token in path:
        bar(page.page, WORDS[token]).click()
    view._selected = [list(path), *view._selected[1:]]
    logs = [f"{log:.2f}".replace("-", "−") for log in view.log_probs]
    assert page.page.locator(".text small").all_inner_texts() == logs
    total = f"{sum(view.log_probs):.3f}".replace("-", "−")
    assert page.page.locator(".cost").inner_text().startswith(f"log p of the 2 chosen tokens: {total} (")


@browser_test
def test_draws_stand_beside_theory(show: Callable[..., Page]) -> None:
    page = show(shown(filters={"top_k": 4}))
    page.page.get_by_role("button", name="Draw 10,000").click()
    assert "10,000 draws against theory: χ² = " in page.page.locator(".test").inner_text()
    assert "with 3 degrees of freedom" in page.page.locator(".test").inner_text()
    notes = page.page.locator(".bars button:not(.cut):not([hidden]) .note").all_inner_texts()
    pairs = [[float(part.replace(",", "")) for part in note.split(" vs ")] for note in notes]
    assert sum(count for count, _ in pairs) == 10_000 == round(sum(expected for _, expected in pairs), -1)
    page.press(page.page.get_by_role("slider", name="top_k"), "ArrowLeft")
    assert page.page.locator(".test").inner_text() == "", "other probabilities, no counts"


@browser_test
def test_predict_first(show: Callable[..., Page]) -> None:
    page = show(shown(predict=True, filters={"top_k": 4}))
    bars, reveal = page.page.locator(".bars"), page.page.get_by_role("button", name="Reveal")
    assert not bars.is_visible() and not page.page.locator("dl").is_visible()
    assert "cuts" not in page.page.locator(".stages").inner_text()
    reveal.click()
    assert page.said == "Name a token, a probability, or both."
    page.page.get_by_label("The token that you expect").fill("zebra")
    reveal.click()
    assert page.said.startswith("No token of this vocabulary reads “zebra”") and not bars.is_visible()
    page.page.get_by_label("The token that you expect").fill("cat")
    page.page.get_by_label("Its probability").fill("20 %")
    page.page.keyboard.press("Enter")
    odds = model()(torch.tensor([[0, 1, 2, 3]]))[0, -1].detach().softmax(-1)
    rank = 1 + int((odds > odds[1]).sum())
    assert bars.is_visible()
    assert page.said.startswith("You said “·cat” at 20.0 %: it is ") and f", rank {rank}. " in page.said


@browser_test
def test_budgets(show: Callable[..., Page]) -> None:
    inside.check_budgets(show, shown(), 60, ".bars button:not([hidden])")


@browser_test
@pytest.mark.parametrize("width", [480, 700])
def test_nothing_leaves_a_narrow_page(show: Callable[..., Page], width: int) -> None:
    inside.check_width(show(shown(), viewport={"width": width, "height": 700}), width)


CELLS = """
import sys; sys.path.insert(0, {tests!r})
from views import test_sampling
view = test_sampling.shown(places=1, predict=True)
view
---
print("ids", view.ids, [one.__name__ for one in view.filters])
"""


@browser_test
def test_a_kernel_follows_any_token_and_keeps_the_guess(server: lab.Lab, browser: Any) -> None:
    sources = CELLS.format(tests=str(lab.ROOT / "tests")).strip().split("\n---\n")
    lab.notebook(server.folder / "sampling.ipynb", *sources)
    context = browser.new_context(viewport={"width": 1400, "height": 1400})
    page = open_notebook(context, server.url("sampling.ipynb"))
    run_cell(page, 0)
    live = page.locator(f"[data-tinygpt-live]{READY}")
    live.wait_for()
    live.get_by_label("The token that you expect").fill("mat")
    live.get_by_role("button", name="Reveal").click()
    live.get_by_text("You said “·mat”").wait_for()
    live.get_by_role("checkbox", name="top_k").check()
    bar(live, " dog").click()
    live.locator(".text button").nth(4).wait_for()
    assert prints(page, 1, "ids [0, 1, 2, 3, 7] ['top_k(10)']")
    assert keeps(page, server.folder / "sampling.ipynb", "you said “ mat”")
    context.close()
    server.end_kernels()
