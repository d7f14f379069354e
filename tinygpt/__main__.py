"""`python -m tinygpt`, and so `torchrun -m tinygpt`, is the command `tinygpt`."""

from tinygpt.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
