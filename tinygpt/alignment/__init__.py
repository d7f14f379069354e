"""From a model that continues text to one that answers as asked: chats, adapters, preferences, rewards."""

from tinygpt.alignment.chat import CHAT_TOKENS, Message, chat_batch, chat_ids, conversations, render, reply
from tinygpt.alignment.likelihood import token_likelihoods
from tinygpt.alignment.lora import LoRALinear, add_lora, merge_lora, remove_lora, use_lora
from tinygpt.alignment.lora_files import load_lora, save_lora
from tinygpt.alignment.rollouts import Rollouts, roll_out

__all__ = [
    "CHAT_TOKENS",
    "LoRALinear",
    "Message",
    "Rollouts",
    "add_lora",
    "chat_batch",
    "chat_ids",
    "conversations",
    "load_lora",
    "merge_lora",
    "remove_lora",
    "render",
    "reply",
    "roll_out",
    "save_lora",
    "token_likelihoods",
    "use_lora",
]
