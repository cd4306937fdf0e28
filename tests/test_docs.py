"""The documentation names what there is, its links lead somewhere, and the page on own tasks runs."""

import inspect
import re
import runpy
from pathlib import Path

import pytest

from data_select_gym.agents import POLICIES
from data_select_gym.envs import DataSelectEnv
from data_select_gym.envs.features import FEATURES
from data_select_gym.phase_timer import PHASES
from data_select_gym.rewards import REWARDS
from data_select_gym.task_registry import ENVIRONMENTS
from data_select_gym.tasks import TASKS, make_task
from data_select_gym.tasks.problems import PROBLEMS
from data_select_gym.tasks.regimes import REGIMES, apply_regime
from data_select_gym.tasks.variants import VARIANT_OPTIONS

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/**/*.md")])
SECTIONS = ["Description", "Action Space", "Observation Space", "Rewards", "Starting State", "Episode End", "Arguments"]


TABLES = runpy.run_path(str(ROOT / "docs" / "write_tables.py"))


INDEX = ROOT / "docs" / "environments" / "README.md"


def page_of(environment: str) -> Path:
    page: Path = TABLES["PAGES"] / TABLES["page_name"](environment)
    return page


@pytest.mark.parametrize("page", TABLES["pages_with_tables"](), ids=lambda page: str(page.relative_to(ROOT)))
def test_the_tables_are_those_that_the_registries_make(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == TABLES["updated"](page), "run: python docs/write_tables.py"


def test_the_tables_name_all_that_is_bundled() -> None:
    docs = ROOT / "docs"
    pages = [ROOT / "README.md", docs / "environments" / "README.md", docs / "policies.md", docs / "regimes.md"]
    assert TABLES["pages_with_tables"]() == pages
    told = "".join(page.read_text(encoding="utf-8") for page in pages)
    names = [entry.name for known in (POLICIES, FEATURES, REWARDS) for entry in known.bundled()]
    assert len(names) > 50 and [name for name in names if f"\n| `{name}` | " not in told] == []
    assert [entry.name for entry in REGIMES.bundled() if f"\n| `{entry.name}" not in told] == []
    readme = pages[0].read_text(encoding="utf-8")
    assert [entry.name for entry in POLICIES.bundled() if f"`{entry.name}`" not in readme] == []


def test_the_environments_have_pages() -> None:
    assert {page_of(environment) for environment in ENVIRONMENTS} >= {*TABLES["PAGES"].glob("*.md")} - {INDEX}
    assert len([environment for environment in ENVIRONMENTS if page_of(environment).exists()]) >= 7


@pytest.mark.parametrize("environment", [known for known in ENVIRONMENTS if page_of(known).exists()])
def test_a_page_has_all_arguments_of_its_environment(environment: str) -> None:
    text = page_of(environment).read_text(encoding="utf-8")
    headings = " ".join(re.findall(r"^## (.*)", text, flags=re.MULTILINE))
    assert [section for section in [*SECTIONS, "Data", "Version History"] if section not in headings] == []
    task = ENVIRONMENTS[environment].task
    if task is not None:
        make = TASKS[task]
        arguments = inspect.signature(make).parameters
        assert [argument for argument in arguments if f"| `{argument}`" not in text] == []
    index = INDEX.read_text(encoding="utf-8")
    assert f"[`{environment}`]({page_of(environment).name})" in index


def test_the_common_page_has_all_arguments_and_features() -> None:
    text = (ROOT / "docs" / "environments" / "README.md").read_text(encoding="utf-8")
    parameters = inspect.signature(DataSelectEnv.__init__).parameters
    common = [name for name in parameters if name not in ("self", "task", "task_options")]
    assert [name for name in [*common, *FEATURES] if f"| `{name}`" not in text] == []


def test_the_page_on_noisy_and_imbalanced_data_has_all_options() -> None:
    text = (ROOT / "docs" / "noisy-and-imbalanced.md").read_text(encoding="utf-8")
    assert [name for name in VARIANT_OPTIONS if f"`{name}`" not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    local = [link for link in links if not link.startswith(("http://", "https://"))]
    assert [link for link in local if not (page.parent / link).exists()] == []


@pytest.mark.slow
def test_the_example_of_callbacks_runs(capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs" / "environments" / "README.md").read_text(encoding="utf-8").partition("## Callbacks")[2]
    (block,) = re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    exec(block, {})
    assert re.fullmatch(r"step 11: kept 0\.\d\d\n", capsys.readouterr().out)


def test_the_examples_of_regimes_run(capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs" / "regimes.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    try:
        for block in blocks:
            exec(block, {})
        assert len(apply_regime(make_task("digits"), "shrunk:0.25").train) == 960  # type: ignore[arg-type]
    finally:
        REGIMES.remove("shrunk")
    assert capsys.readouterr().out.startswith("pair-noise:0.3+duplicates:0.2\n0.")
    assert "".join(f"| `{name}` " for name in PROBLEMS) == "".join(
        re.findall(r"^(\| `[a-z_]+` )\| [wcf]", text, re.MULTILINE)
    )


@pytest.mark.slow
def test_the_page_on_own_tasks_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "wrap-your-own-task.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) == 7
    names: dict[str, object] = {"__name__": "own_task"}
    exec("\n".join(blocks), names)
    assert (tmp_path / "runs" / "products" / "page.html").exists()
    exec("train_selectively(epochs=2)\ntrain_plainly(epochs=1)", names)


@pytest.mark.slow
def test_the_page_on_speed_has_all_parts_and_its_example_runs() -> None:
    text = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
    assert [part for part, meaning in PHASES.items() if f"| `{part}` | {meaning} |" not in text] == []
    (block,) = re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    exec(block, {})


def test_the_readme_starts_with_an_example_that_runs_and_fits_the_first_screen() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    assert block is not None
    names: dict[str, object] = {}
    exec(block[1], names)
    assert names["terminated"] is False
    before_the_picture = text[: text.index("![")].splitlines()
    assert "make demo" in "".join(before_the_picture) and len(before_the_picture) < 30
