"""One adapter per peer. Each says `why_not()`: the reason why it cannot take part here, or None."""
