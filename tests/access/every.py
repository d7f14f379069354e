"""One of each view, by the name of the function that makes it."""

from __future__ import annotations

import functools

from views import test_host, test_sampling, test_training

from tinygpt import views

NAMES = sorted(name for name in views.__all__ if name.islower())


@functools.cache
def every() -> dict[str, views.View]:
    made = [*test_host.views(), test_sampling.shown(), test_training.trained()]
    return {view._module: view for view in made}
