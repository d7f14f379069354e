"""From a model that continues text to one that answers as asked: chats, adapters, preferences, rewards."""

from tinygpt.alignment.chat import CHAT_TOKENS, Message, chat_batch, chat_ids, conversations, render, reply

__all__ = [
    "CHAT_TOKENS",
    "Message",
    "chat_batch",
    "chat_ids",
    "conversations",
    "render",
    "reply",
]
