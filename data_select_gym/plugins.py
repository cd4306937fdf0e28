"""Plug-ins: other packages that register rules, rewards, features, tasks or algorithms when they are installed.

A package names a module, or a function without arguments, in its entry point group ``data_select_gym.plugins``:

.. code-block:: toml

    [project.entry-points."data_select_gym.plugins"]
    my-rules = "my_package.rules"
"""

from __future__ import annotations

import warnings
from importlib.metadata import EntryPoint, entry_points

GROUP = "data_select_gym.plugins"
# Those that were called already, by what they say they are.
LOADED: set[tuple[str, str]] = set()
# The one that is being loaded, if any: what it registers makes registries load.
LOADING: list[EntryPoint] = []


class PluginWarning(UserWarning):
    """A plug-in failed; what it did not register before its error is missing."""


def load_plugins(asking: str = "") -> bool:
    """Import, and call if it is a function, what other packages have in the group; each once.

    One that fails gives a :class:`PluginWarning`. None is started while another one is half imported: it may need what
    the other has not defined yet.

    Args:
        asking: the module that is about to register something; empty if none is. If it belongs to a package whose
            plug-ins were not loaded yet, they wait: the module is still being imported.

    Returns:
        Whether all are loaded now; if not, the next call goes on.
    """
    points = [point for point in entry_points(group=GROUP) if (point.name, point.value) not in LOADED]
    package = asking.partition(".")[0]
    if LOADING or any(point.module.partition(".")[0] == package for point in points):
        return False
    for point in points:
        LOADED.add((point.name, point.value))
        LOADING.append(point)
        try:
            load_plugin(point)
        finally:
            LOADING.remove(point)
    return True


def load_plugin(point: EntryPoint) -> None:
    """Import one, and call it if it is a function."""
    try:
        found = point.load()
        if callable(found):
            found()
    # Code of others may raise anything, and a script may end itself; only the user ends the process.
    except (Exception, SystemExit) as error:
        package = f" of {point.dist.name} {point.dist.version}" if point.dist is not None else ""
        warnings.warn(
            f"the plug-in {point.name!r}{package}, {point.value}, failed, and only what it registered before is "
            f"there: {type(error).__name__}: {error}",
            PluginWarning,
            stacklevel=2,
        )
