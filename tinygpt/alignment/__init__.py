"""From a model that continues text to one that answers as asked: chats, adapters, preferences, rewards."""

__all__: list[str] = []
