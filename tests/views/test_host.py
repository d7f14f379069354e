"""What every view shares: one module, two hosts, nothing loaded before a view is made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from views import inside, samples, test_beams, test_budget_game, test_lora, test_scaling

from tinygpt.alignment import Rollouts
from tinygpt.tokenizers import BPETokenizer
from tinygpt.views import (
    View,
    _host,
    attention,
    beams,
    budget_game,
    chat,
    kv_cache,
    logit_lens,
    lora,
    merges,
    model_map,
    patching,
    residual,
    reward_kl,
    rollouts,
    switches,
    tokens,
)


def views() -> list[View]:
    losses, probs = samples.combinations(3, 4)
    tok = BPETokenizer(merges=[], specials=["</script><b>"])
    drawn = torch.tensor([[104, 256], [105, 36]])
    answers = Rollouts(drawn - 1, drawn, torch.zeros(2, 2), torch.tensor([True, False]))
    return [
        attention(samples.seen(2, 2, 8), samples.pieces(8)),
        switches(losses, probs, list("abcd"), [(0, 0), (0, 1), (1, 0)]),
        tokens(BPETokenizer(merges=[(104, 105)]), "hi 🦙"),
        merges("hug pug hug", 2),
        logit_lens(inside.model(), [1, 2, 3], ["a", "b$", "</b>"], rivals=[4]),
        patching({"residual": np.eye(2), "heads": np.eye(3)}, clean=["a$", "</b>"], corrupt=["c", "</b>"]),
        model_map(inside.model()),
        residual({"a$": inside.model()}, [1, 2, 3], ["a$", "b", "</b>"], answer=4),
        chat(inside.model(vocab_size=257), tok, ["</script>$ {\\u2028"], raw=["model"], max_new_tokens=9),
        lora(test_lora.adapted(wide=1)),
        reward_kl({"$a$": [{"step": 1, "kl": 0.5, "</b>": [1.0, 2.0]}]}),
        test_scaling.shown(),
        budget_game(test_budget_game.game()),
        beams(test_beams.by_hand(), ["</script>$"] * 10),
        kv_cache(inside.model(), [1, 2], ["</b>$"] * 11),
        rollouts(answers, tok, group=2, rewards=[1.0, 0.0], truths=["</script>$"]),
    ]


def test_nothing_is_imported_before_a_view_is_made() -> None:
    code = (
        "import sys, tinygpt.views as v; [getattr(v, name) for name in v.__all__];"
        "print({'anywidget', 'ipywidgets', 'matplotlib', 'IPython'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("name", sorted({view._module for view in views()} | {"training"}))
def test_a_module_stands_alone(name: str) -> None:
    source = _host.module(name)
    lines = source.splitlines()
    assert not [line for line in lines if line.startswith(("import ", "//"))]
    assert [line for line in lines if line.startswith("export")] == ["export default live(mount);"]
    assert "http" not in source.replace("http://www.w3.org", "")


@pytest.mark.parametrize("view", views(), ids=repr)
def test_the_static_bundle_holds_html_a_picture_and_text(view: View) -> None:
    bundle = view._repr_mimebundle_()
    assert set(bundle) == {"text/html", "image/png", "text/plain"}
    assert bundle["text/plain"].splitlines()[0] == repr(view)
    assert repr(view) in bundle["text/html"]
    assert view.png().startswith(b"\x89PNG")


def test_the_same_content_gives_the_same_bytes_and_another_gives_another_id() -> None:
    for first, second in zip(views(), views(), strict=True):
        assert first.html() == second.html()
        assert first.png() == second.png()
    assert len({view._id for view in views()}) == len(views())


def test_save_writes_a_page_or_a_picture(tmp_path: Path) -> None:
    view = views()[0]
    view.save(tmp_path / "view.html")
    view.save(tmp_path / "view.png")
    assert (tmp_path / "view.html").read_text(encoding="utf-8") == view.html()
    assert (tmp_path / "view.png").read_bytes() == view.png()


def test_text_cannot_break_out_of_the_page() -> None:
    view = attention(samples.seen(1, 1, 2), ["</script><script>alert(1)</script>", "<b>"])
    assert "alert(1)" not in view.html()
    losses, probs = samples.combinations(1, 1)
    page = switches(losses, probs, ["a"], ["<img src=x onerror=alert(1)>"]).html()
    assert "<img src=x" not in page
    text = "</script><img src=x onerror=alert(1)>"
    tok = BPETokenizer(merges=[], specials=[text])
    for page in (tokens(tok, text, names=[text]).html(), merges(text, 2).html()):
        assert "<img src=x" not in page and "alert(1)" not in page.replace("alert(1)&gt;", "")


def test_a_view_without_a_kernel_shows_one_static_output(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[dict[str, str]] = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, **_: shown.append(bundle))
    views()[0]._ipython_display_()
    assert [sorted(bundle) for bundle in shown] == [["image/png", "text/html", "text/plain"]]


def test_with_a_kernel_the_live_widget_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[dict[str, str]] = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, **_: shown.append(bundle))
    monkeypatch.setattr("IPython.get_ipython", lambda: type("Shell", (), {"kernel": object()})())
    view = views()[0]
    view._ipython_display_()
    live = shown[0]["application/vnd.jupyter.widget-view+json"]
    assert len(shown) == 2 and live["model_id"] == view.widget.model_id
    assert view.widget.name == view._id and f'data-tinygpt="{view._id}"' in shown[1]["text/html"]
