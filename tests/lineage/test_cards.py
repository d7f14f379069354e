"""Cards, as they are read."""

from __future__ import annotations

from dataclasses import asdict

from tinygpt.lineage import card_text
from tinygpt.models import GPTConfig
from tinygpt.training import TrainConfig

CARD = {
    "stage": "sing", "after": None, "about": "sings", "data": "songs", "data_sha256": "0123456789abcdef" * 4,
    "config": asdict(GPTConfig(vocab_size=8)), "train_config": asdict(TrainConfig(steps=1234)), "size": "ci",
    "seed": 3, "command": "tinygpt train --stage sing", "minutes": 1.26, "machine": "one", "loss": 0.5,
    "scores": {"pitch": 0.25, "rhythm": 1.0},
}  # fmt: skip


def test_a_card_says_how_it_was_made_and_what_it_scores():
    text = card_text(CARD)
    assert text.startswith("# sing: sings\n")
    for said in ("| nothing |", "| songs |", "1,234 steps", "`tinygpt train --stage sing`", "| 1.3 (one) |"):
        assert said in text
    assert "| score | seed 3 |\n| --- | --- |\n| pitch | 0.250 |\n| rhythm | 1.000 |" in text


def test_seeds_stand_beside_the_scores():
    spread = {"pitch": {"mean": 0.3, "std": 0.05}, "rhythm": {"mean": 0.9, "std": 0.1}}
    text = card_text(CARD, {"ci": spread, "laptop": {}})
    assert "| score | seed 3 | ci, mean ± std over seeds |\n| --- | --- | --- |" in text
    assert "| rhythm | 1.000 | 0.900 ± 0.100 |" in text
