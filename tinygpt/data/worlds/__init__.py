"""Generated worlds: text whose true probability is known exactly."""

from tinygpt.data.worlds.induction import repeat_nats, repeat_periods, repeats

__all__ = ["repeat_nats", "repeat_periods", "repeats"]
