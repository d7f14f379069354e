"""Interactive views: each shows itself in any notebook front-end, with or without a kernel."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tinygpt.views._attention import Attention, attention
    from tinygpt.views._beams import BeamTree, beams
    from tinygpt.views._budget_game import BudgetGame, budget_game
    from tinygpt.views._caches import CACHES, CacheShape
    from tinygpt.views._chat import Chat, Turn, chat
    from tinygpt.views._host import View
    from tinygpt.views._kv_cache import CacheGrowth, kv_cache
    from tinygpt.views._logit_lens import LogitLens, logit_lens
    from tinygpt.views._lora import Adapters, lora
    from tinygpt.views._merges import Merges, merges
    from tinygpt.views._model_map import ModelMap, model_map
    from tinygpt.views._patching import Patching, patching
    from tinygpt.views._residual import Residual, residual
    from tinygpt.views._reward_kl import RewardKL, reward_kl
    from tinygpt.views._rollouts import RolloutBrowser, rollouts
    from tinygpt.views._sampling import Guess, Sampling, sampling
    from tinygpt.views._scaling import Scaling, scaling
    from tinygpt.views._switches import Switches, switches
    from tinygpt.views._tokens import Tokens, tokens
    from tinygpt.views._training import Training, training

_HOMES = {
    "Attention": "_attention",
    "attention": "_attention",
    "BeamTree": "_beams",
    "beams": "_beams",
    "BudgetGame": "_budget_game",
    "budget_game": "_budget_game",
    "CACHES": "_caches",
    "CacheShape": "_caches",
    "CacheGrowth": "_kv_cache",
    "kv_cache": "_kv_cache",
    "Chat": "_chat",
    "Turn": "_chat",
    "chat": "_chat",
    "LogitLens": "_logit_lens",
    "logit_lens": "_logit_lens",
    "Adapters": "_lora",
    "lora": "_lora",
    "Merges": "_merges",
    "merges": "_merges",
    "ModelMap": "_model_map",
    "model_map": "_model_map",
    "Patching": "_patching",
    "patching": "_patching",
    "Residual": "_residual",
    "residual": "_residual",
    "RewardKL": "_reward_kl",
    "reward_kl": "_reward_kl",
    "RolloutBrowser": "_rollouts",
    "rollouts": "_rollouts",
    "Guess": "_sampling",
    "Sampling": "_sampling",
    "sampling": "_sampling",
    "Scaling": "_scaling",
    "scaling": "_scaling",
    "Switches": "_switches",
    "switches": "_switches",
    "Tokens": "_tokens",
    "tokens": "_tokens",
    "Training": "_training",
    "training": "_training",
    "View": "_host",
}
__all__ = [
    "CACHES",
    "Adapters",
    "Attention",
    "BeamTree",
    "BudgetGame",
    "CacheGrowth",
    "CacheShape",
    "Chat",
    "Guess",
    "LogitLens",
    "Merges",
    "ModelMap",
    "Patching",
    "Residual",
    "RewardKL",
    "RolloutBrowser",
    "Sampling",
    "Scaling",
    "Switches",
    "Tokens",
    "Training",
    "Turn",
    "View",
    "attention",
    "beams",
    "budget_game",
    "chat",
    "kv_cache",
    "logit_lens",
    "lora",
    "merges",
    "model_map",
    "patching",
    "residual",
    "reward_kl",
    "rollouts",
    "sampling",
    "scaling",
    "switches",
    "tokens",
    "training",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
