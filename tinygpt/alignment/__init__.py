"""From a model that continues text to one that answers as asked: chats, adapters, preferences, rewards."""

from tinygpt.alignment.advantages import gae, group_advantages, whiten
from tinygpt.alignment.averaging import average
from tinygpt.alignment.chat import CHAT_TOKENS, Message, chat_batch, chat_ids, conversations, render, reply
from tinygpt.alignment.dpo import dpo_loss, sequence_log_probs, with_reference
from tinygpt.alignment.grpo import GRPOBatch, grpo_batches, grpo_loss
from tinygpt.alignment.likelihood import token_likelihoods
from tinygpt.alignment.lora import LoRALinear, add_lora, merge_lora, remove_lora, use_lora
from tinygpt.alignment.lora_files import load_lora, save_lora
from tinygpt.alignment.policy import OnPolicy, tasks, verifier
from tinygpt.alignment.ppo import ActorCritic, PPOBatch, ppo_batches, ppo_loss
from tinygpt.alignment.preferences import Pairs, Preference, pair_batches, preference_batch
from tinygpt.alignment.rejection import best_of, best_of_kl, rejection_batches
from tinygpt.alignment.reward import RewardModel, bradley_terry_loss, learned_reward
from tinygpt.alignment.rollouts import Rollouts, roll_out

__all__ = [
    "CHAT_TOKENS",
    "ActorCritic",
    "GRPOBatch",
    "LoRALinear",
    "Message",
    "OnPolicy",
    "PPOBatch",
    "Pairs",
    "Preference",
    "RewardModel",
    "Rollouts",
    "add_lora",
    "average",
    "best_of",
    "best_of_kl",
    "bradley_terry_loss",
    "chat_batch",
    "chat_ids",
    "conversations",
    "dpo_loss",
    "gae",
    "group_advantages",
    "grpo_batches",
    "grpo_loss",
    "learned_reward",
    "load_lora",
    "merge_lora",
    "pair_batches",
    "ppo_batches",
    "ppo_loss",
    "preference_batch",
    "rejection_batches",
    "remove_lora",
    "render",
    "reply",
    "roll_out",
    "save_lora",
    "sequence_log_probs",
    "tasks",
    "token_likelihoods",
    "use_lora",
    "verifier",
    "whiten",
    "with_reference",
]
