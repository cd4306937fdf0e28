"""Imports matplotlib for drawing into files, whatever backend the environment asks for.

Import this module before Stable-Baselines3, which imports matplotlib too.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress


def import_matplotlib() -> None:
    """Import matplotlib, if it is installed, even if ``MPLBACKEND`` names a backend that is not.

    Notebooks set their own backend in the environment. Programs that they start inherit it, and importing matplotlib
    then fails if that backend is not installed. Nothing here shows a window.
    """
    if "matplotlib" in sys.modules:
        return
    asked = os.environ.pop("MPLBACKEND", None)
    try:
        with suppress(ImportError):
            import matplotlib as mpl

            # As matplotlib itself does, except for an unknown name.
            if asked:
                with suppress(ValueError):
                    mpl.rcParams["backend"] = asked
    finally:
        if asked is not None:
            os.environ["MPLBACKEND"] = asked


import_matplotlib()
