"""Check the shapes and dtypes that tinygpt's annotations promise, while tests run and only then."""

from __future__ import annotations

import sys
import types
import typing

from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook

check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # the tower: an int will do where a float is wanted


class _Typing(types.ModuleType):
    """`typing`, but TYPE_CHECKING is true inside tinygpt.

    The package imports jaxtyping and the names in its annotations only `if TYPE_CHECKING`, to stay light.
    Without those names the checker would accept anything.
    """

    @property
    def TYPE_CHECKING(self) -> bool:
        importer = sys._getframe(1).f_globals.get("__name__", "")
        return importer.split(".")[0] == "tinygpt"


def install() -> None:
    """From here on, a function of tinygpt called with a wrong shape raises jaxtyping.TypeCheckError."""
    typing.__class__ = _Typing
    install_import_hook("tinygpt", f"{__name__}.check")
