"""Speed beside named peers, from one run each: `python -m benchmarks train|decode|capture|imports`."""
