"""The registry of charts, and what a chart draws from and gives."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from data_select_gym.arguments import check_callable, is_number
from data_select_gym.experiments.columns import several_ratios
from data_select_gym.experiments.results import RunRecord
from data_select_gym.experiments.statistics import Summary, summarise
from data_select_gym.registry import Registry, calling_module


@dataclass(frozen=True)
class Results:
    """What a chart draws from.

    Attributes:
        settings: of the comparison, as ``Comparison.settings`` gives them.
        runs: that are finished; at least one.
        metric: name of the primary metric, such as ``"accuracy"``.
    """

    settings: Mapping[str, Any]
    runs: Sequence[RunRecord]
    metric: str

    @cached_property
    def summaries(self) -> list[Summary]:
        """A summary of each policy at each keep ratio."""
        return summarise(self.runs)

    @property
    def several_ratios(self) -> bool:
        """Whether rows and lines have to name their keep ratio."""
        return several_ratios(self.summaries)


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes:
        title: its heading.
        text: a paragraph below it; HTML only if it is ``markupsafe.Markup``.
        body: a matplotlib figure, a :class:`SmallMultiples`, a :class:`HeatTable`, a :class:`StripTable`, or
            ``markupsafe.Markup``.
    """

    title: str
    text: str
    body: Any


Draw = Callable[[Results], Section | None]
Drawn = TypeVar("Drawn", bound=Draw)


@dataclass(frozen=True)
class Chart:
    """A chart: what draws it, and where on the page it stands."""

    draw: Draw
    place: float


class ChartWarning(UserWarning):
    """A chart failed and is left out of the page."""


def check_chart(chart: Any) -> Chart:
    """The chart, if it is one.

    Raises:
        TypeError: it is not.
    """
    if not isinstance(chart, Chart):
        raise TypeError(f"thing={chart!r} is not a chart; register_chart makes one of a function")
    check_callable("draw", chart.draw)
    if not is_number(chart.place):
        raise TypeError(f"place={chart.place!r} is not a number")
    return chart


CHARTS: Registry[Chart] = Registry("chart", __name__.rpartition(".")[0], check_chart)


def register_chart(name: str, *, description: str = "", place: float = 1000.0) -> Callable[[Drawn], Drawn]:
    """Add a chart to the page of every comparison; a decorator.

    Example:
        >>> from data_select_gym.experiments.charts import CHARTS, Section, register_chart
        >>> from data_select_gym.experiments.plots import new_figure
        >>> @register_chart("steps")
        ... def steps(results):
        ...     '''Steps of each run'''
        ...     figure, axes = new_figure(1)
        ...     axes.bar([run.policy for run in results.runs], [run.result.steps for run in results.runs])
        ...     return Section("Steps", "At which something was selected.", figure)
        >>> CHARTS.remove("steps")

    Args:
        name: of the chart.
        description: one line; the first of the function's docstring if empty.
        place: charts with lower places come first; those of this package have 10, 20, ...

    Returns:
        A decorator for a function from :class:`Results` to a :class:`Section`, or to None where there is nothing to
        show.

    Raises:
        ValueError: the name is taken.
        TypeError: an argument is of the wrong type.
    """
    module = calling_module(2)

    def decorate(draw: Drawn) -> Drawn:
        line = description or (draw.__doc__ or "").strip().partition("\n")[0].removesuffix(".")
        CHARTS.register(name, Chart(draw, place), description=line or f"a custom chart, {module}", module=module)
        return draw

    return decorate


def make_sections(results: Results) -> list[Section]:
    """The sections of the page, in order; a custom chart that fails is left out with a :class:`ChartWarning`."""
    sections = []
    for entry in sorted(CHARTS.entries(), key=lambda entry: entry.get().place):
        try:
            section = entry.get().draw(results)
        # The results of hours are not lost for a picture.
        except Exception as error:
            if entry.module.startswith("data_select_gym."):
                raise
            warnings.warn(
                f"the chart {entry.name!r} of {entry.module} failed and is left out: {type(error).__name__}: {error}",
                ChartWarning,
                stacklevel=2,
            )
            continue
        if section is not None:
            sections.append(section)
    return sections
