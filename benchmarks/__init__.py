"""Speed beside named peers, from one run each: `python -m benchmarks WORK`, WORK a file of this folder."""
