"""Importing matplotlib for what draws into files, whatever backend the surroundings ask for.

Stable-Baselines3 imports matplotlib too, so that this module is imported before it.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress


def import_matplotlib() -> None:
    """Import it, if it is installed; an ``MPLBACKEND`` that it does not know is left to those who look for a backend.

    Notebooks have their own backend in the environment, which programs that they start inherit, and matplotlib cannot
    be imported where it is not installed. Nothing here shows a window or needs one.
    """
    if "matplotlib" in sys.modules:
        return
    asked = os.environ.pop("MPLBACKEND", None)
    try:
        with suppress(ImportError):
            import matplotlib as mpl

            # As matplotlib itself does, but for what it makes of a name that it does not know.
            if asked:
                with suppress(ValueError):
                    mpl.rcParams["backend"] = asked
    finally:
        if asked is not None:
            os.environ["MPLBACKEND"] = asked


import_matplotlib()
