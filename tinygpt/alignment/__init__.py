"""From a model that continues text to one that answers as asked: chats, adapters, preferences, rewards."""

from tinygpt.alignment.chat import CHAT_TOKENS, Message, chat_batch, chat_ids, conversations, render, reply
from tinygpt.alignment.likelihood import token_likelihoods
from tinygpt.alignment.rollouts import Rollouts, roll_out

__all__ = [
    "CHAT_TOKENS",
    "Message",
    "Rollouts",
    "chat_batch",
    "chat_ids",
    "conversations",
    "render",
    "reply",
    "roll_out",
    "token_likelihoods",
]
