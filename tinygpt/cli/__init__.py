"""The command line: `tinygpt train | sample | doctor | lab`."""

from tinygpt.cli.main import main

__all__ = ["main"]
