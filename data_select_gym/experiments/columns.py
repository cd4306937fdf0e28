"""The columns of a comparison's tables, for a terminal, Markdown and HTML."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from data_select_gym.experiments.statistics import FEWEST_SEEDS, FULL, Estimate, Summary
from data_select_gym.experiments.timing import why_not_comparable
from data_select_gym.tasks.problems import PROBLEMS, find_problem


@dataclass(frozen=True)
class Column:
    """One column, a cell for each summary.

    Attributes:
        header: in full.
        short: the header for a terminal.
        meaning: a sentence.
        value: of a summary; None where it is not known.
        form: of a number, for ``str.format``.
        wide: whether a terminal leaves it out.
        of_clock: whether it compares seconds of runs.
    """

    header: str
    short: str
    meaning: str
    value: Callable[[Summary], Estimate | float | None]
    form: str
    wide: bool = False
    of_clock: bool = False

    def doubtful(self) -> Column:
        """The same, with a note in its headers that its numbers are not comparable."""
        meaning = f"{self.meaning} Not comparable here, see below."
        return replace(self, header=f"{self.header} (not comparable)", short=f"{self.short}*", meaning=meaning)

    def full_cell(self, summary: Summary) -> str:
        """The value, with the ends of its interval if it has one."""
        value = self.value(summary)
        if isinstance(value, Estimate) and value.interval is not None:
            low, high = value.interval
            return f"{self.form.format(value.mean)} ({self.form.format(low)} to {self.form.format(high)})"
        return self.short_cell(summary)

    def short_cell(self, summary: Summary) -> str:
        """The value, with half the width of its interval if it has one."""
        value = self.value(summary)
        if value is None:
            return "-"
        if not isinstance(value, Estimate):
            return self.form.format(value)
        mean = self.form.format(value.mean)
        if value.interval is None:
            return mean
        low, high = value.interval
        return f"{mean} ±{(high - low) / 2:.4f}"


def choose_columns(summaries: Sequence[Summary], quality: str) -> list[Column]:
    """The columns that say something about these summaries, beside the policy's name.

    Args:
        summaries: what the table is of.
        quality: name of the metric.
    """
    telling = {
        "keep ratio": several_ratios(summaries),
        "seeds": len({summary.seeds for summary in summaries}) > 1,
    }
    columns = all_columns(quality, problem_names([summary.problems for summary in summaries]))
    if why_not_comparable(summaries):
        columns = [column.doubtful() if column.of_clock else column for column in columns]
    return [
        column
        for column in columns
        if telling.get(column.header, True) and any(column.value(summary) is not None for summary in summaries)
    ]


def several_ratios(summaries: Sequence[Summary]) -> bool:
    """Whether the keep ratio differs; that of ``full`` always does and says nothing."""
    return len({summary.keep_ratio for summary in summaries if summary.policy != FULL}) > 1


def all_columns(quality: str, problems: Sequence[str]) -> list[Column]:
    """Every column, in order; ``problems`` names those that are known of samples."""
    shares = [column for name in problems for column in _of_problem(name)]
    return [*_of_what_was_asked(), *_of_quality(quality), *_of_cost(), *_of_seconds(), *shares]


def problem_names(shares: Iterable[Mapping[str, object]]) -> list[str]:
    """The names of problems that any of these knows, those of :data:`PROBLEMS` first."""
    found = {name for each in shares for name in each}
    return [*(name for name in PROBLEMS if name in found), *sorted(found - PROBLEMS.keys())]


def _of_what_was_asked() -> list[Column]:
    """What was run."""
    return [
        Column(
            "keep ratio", "keep", "Share of candidates that was meant to be kept.", lambda s: s.keep_ratio, "{:.4g}"
        ),
        Column("cost asked", "asked", "The cost that the run was meant to have.", lambda s: s.asked_cost, "{:g}"),
        Column("seeds", "n", "Runs that were finished.", lambda s: s.seeds, "{}"),
    ]


def _of_quality(quality: str) -> list[Column]:
    """How good the models are."""
    return [
        Column(
            f"test {quality}",
            f"test {quality}",
            "Mean on the test set at the end of the run: to report, and not to choose settings by.",
            lambda s: s.quality,
            "{:.4f}",
        ),
        Column(
            f"validation {quality}",
            f"validation {quality}",
            "Mean on the validation set at the end of the run: to choose settings by.",
            lambda s: s.validation,
            "{:.4f}",
            wide=True,
        ),
        Column(
            "worst class",
            "worst",
            "The class of lowest quality on the test set at the end of each run, the mean over the seeds.",
            lambda s: s.worst_class,
            "{:.4f}",
            wide=True,
        ),
        Column(
            "difference to full",
            "to full",
            "Less that of training on all data, seed by seed.",
            lambda s: s.to_full,
            "{:+.4f}",
        ),
        Column(
            "difference to random",
            "to random",
            "Less that of a fresh random share at the same budget, seed by seed.",
            lambda s: s.to_random,
            "{:+.4f}",
        ),
    ]


def _of_cost() -> list[Column]:
    """What was trained on."""
    return [
        Column(
            "cost",
            "cost",
            "Samples trained on, and a third of those only passed forward, over the samples of a full-data run.",
            lambda s: s.cost,
            "{:.3f}",
        ),
        Column(
            "token cost",
            "tokens",
            "Tokens trained on, and a third of those only passed forward, over the tokens of a full-data run.",
            lambda s: s.token_cost,
            "{:.3f}",
        ),
        Column(
            "share kept",
            "kept",
            "Mean share kept of the candidates, warm-up and annealing left out.",
            lambda s: s.keep_fraction,
            "{:.3f}",
        ),
    ]


def _of_seconds() -> list[Column]:
    """How long it took."""
    return [
        Column(
            "seconds",
            "secs",
            "Of a whole run, the agent's own time included.",
            lambda s: s.seconds,
            "{:.1f}",
            of_clock=True,
        ),
        Column(
            "seconds / full's",
            "/full",
            "Seconds over those of training on all data, seed by seed.",
            lambda s: s.seconds_ratio,
            "{:.2f}",
            of_clock=True,
        ),
        Column(
            "agent's share",
            "agent",
            "Share of the seconds spent on choosing, rather than on training.",
            lambda s: s.agent_share,
            "{:.1%}",
        ),
    ]


def _of_problem(name: str) -> list[Column]:
    """How many samples with a problem were kept."""
    problem = find_problem(name)
    meaning = f"{problem.meaning} A run whose regime has none counts as 0."
    return [
        Column(problem.words, problem.short, meaning, lambda s: s.problems.get(name), "{:.1%}"),
        Column(
            f"{problem.words}, late",
            "late" if name == "mislabelled" else f"{problem.short}, late",
            "The same over the last quarter of the steps.",
            lambda s: s.problems_late.get(name),
            "{:.1%}",
        ),
    ]


def describe_intervals(summaries: Sequence[Summary]) -> str:
    """One sentence on the intervals of these summaries."""
    most = max(summary.seeds for summary in summaries)
    if most < FEWEST_SEEDS:
        return f"No intervals: they need at least {FEWEST_SEEDS} seeds."
    if most == FEWEST_SEEDS:
        return (
            "Intervals are 95% bootstrap intervals over the seeds. With 3 seeds they run from the lowest to the "
            "highest value, and hold the true mean about 3 times in 4."
        )
    return f"Intervals are 95% bootstrap intervals over the seeds; with as few as {most} seeds they are too narrow."
