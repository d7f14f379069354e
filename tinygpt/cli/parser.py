"""What all commands parse with: no shortened options, and a guess at what a misspelt one was to be."""

from __future__ import annotations

import argparse
import re
from difflib import get_close_matches
from typing import Any, NoReturn


class Parser(argparse.ArgumentParser):
    """`argparse`'s parser, which takes options by their full names only."""

    def __init__(self, **how: Any) -> None:
        super().__init__(allow_abbrev=False, **how)

    def error(self, message: str) -> NoReturn:
        """Ends the program, with the nearest option where one is not known."""
        unknown = re.findall(r"(?<!\S)--[\w-]+", message.partition("unrecognized arguments:")[2])
        near = [get_close_matches(one, self._option_string_actions, 1) for one in unknown]
        meant = " or ".join(dict.fromkeys(one for found in near for one in found))
        super().error(f"{message}. Did you mean {meant}?" if meant else message)
