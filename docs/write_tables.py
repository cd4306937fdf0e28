"""Write the tables of the documentation that are made of the registries: python docs/write_tables.py.

A table stands between two comments, ``<!-- table: NAME -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from data_select_gym.agents import POLICIES, RULES
from data_select_gym.envs.features import FEATURES, Feature
from data_select_gym.registry import ARXIV, Entry
from data_select_gym.rewards import REWARDS
from data_select_gym.task_registry import ENVIRONMENTS, TASKS
from data_select_gym.tasks.regimes import REGIMES

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "environments"
# Of a line of the documentation.
WIDTH = 130


def main() -> None:
    """Write the tables of all pages."""
    for page in pages_with_tables():
        page.write_text(updated(page), encoding="utf-8")


def pages_with_tables() -> list[Path]:
    """The pages that have such tables."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    return sorted(page for page in pages if "<!-- table: " in page.read_text(encoding="utf-8"))


def updated(page: Path) -> str:
    """The text of a page with its tables as they should be."""
    tables = {
        "environments": environments(page),
        "features": features(),
        "names": names(),
        "policies": policies(),
        "regimes": regimes(),
        "rewards": rewards(),
    }
    return re.sub(
        r"(?<=<!-- table: )(\w+)( -->\n).*?(?=<!-- end -->)",
        lambda found: f"{found[1]}{found[2]}\n{tables[found[1]]}\n",
        page.read_text(encoding="utf-8"),
        flags=re.DOTALL,
    )


def environments(page: Path) -> str:
    """The environments, with links to their pages as seen from ``page``."""
    bundled = {None, *(entry.name for entry in TASKS.bundled())}
    rows = []
    for environment in ENVIRONMENTS.values():
        if environment.task in bundled:
            link = (PAGES / page_name(environment.id)).relative_to(page.parent)
            name = f"`{environment.id}`"
            if (page.parent / link).exists():
                name = f"[{name}]({link.as_posix()})"
            rows.append((name, environment.description, environment.data))
    return table(("id", "what is trained", "data"), rows)


def page_name(environment: str) -> str:
    """The file name of an environment's page, such as ``text-classification.md``."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", environment.removeprefix("DataSelect/").removesuffix("-v0"))
    return f"{words.lower()}.md"


def policies() -> str:
    """The policies, with their papers."""
    return table(
        ("name", "what it does", "paper"),
        [(f"`{entry.name}`", with_needs(entry), linked(entry.paper)) for entry in POLICIES.bundled()],
    )


def names() -> str:
    """The names of the policies, by where they come from."""
    groups: dict[str, list[str]] = {}
    for entry in POLICIES.bundled():
        groups.setdefault(origin(entry), []).append(f"`{entry.name}`")
    lines = [f"- {group}: {', '.join(members)}" for group, members in groups.items()]
    fill = partial(textwrap.fill, width=WIDTH, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False)
    return "".join(f"{fill(line)}\n" for line in lines)


def origin(entry: Entry[object]) -> str:
    """What kind of policy one is."""
    if entry.needs:
        return f"From {' and '.join(entry.needs)}, an extra"
    known = {"baselines": "Baselines", "data_agent_variants": "Data Agent", "stable_baselines3": "Stable-Baselines3"}
    return known.get(entry.module.rpartition(".")[2], "Rules" if entry.name in RULES else "Learned")


def features() -> str:
    """The features, with their ranges."""
    entries = FEATURES.bundled()
    return table(
        ("feature", "range", "meaning"),
        [(f"`{entry.name}`", range_of(entry.get()), entry.description) for entry in entries],
    )


def range_of(feature: Feature) -> str:
    """Its least and its largest value."""
    return "any" if math.isinf(feature.high) else f"{feature.low:g} to {feature.high:.3g}"


def rewards() -> str:
    """The rewards."""
    return table(("reward", "pays"), [(f"`{entry.name}`", entry.description) for entry in REWARDS.bundled()])


def regimes() -> str:
    """The regimes, with the values that are drawn."""
    return table(
        ("regime", "what it does", "for", "drawn at random", "paper"),
        [
            (
                f"`{entry.name}:{regime.value}`" if regime.value else f"`{entry.name}`",
                entry.description,
                regime.fits,
                ", ".join(regime.drawn) or ("never" if regime.value else "yes"),
                linked(entry.paper),
            )
            for entry in REGIMES.bundled()
            for regime in [entry.get()]
        ],
    )


def with_needs(entry: Entry[object]) -> str:
    """The description, with what it needs."""
    return entry.description + (f"; needs {' and '.join(entry.needs)}" if entry.needs else "")


def linked(paper: str) -> str:
    """A citation with arXiv ids as links."""
    return ARXIV.sub(lambda found: f"[{found[0]}](https://arxiv.org/abs/{found[0]})", paper.replace("arXiv ", ""))


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of Markdown."""
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    main()
