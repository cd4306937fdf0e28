"""The package stays a house that is easy to find one's way in: no import circles, no long files, no long functions."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import data_select_gym
import data_select_gym.agents

MOST_LINES_OF_A_FILE = 300
# Of the body, without the docstring; the lines of functions within count too.
MOST_LINES_OF_A_FUNCTION = 60


@cache
def modules() -> dict[str, Path]:
    """The package's modules by name, with their files."""
    found = {}
    for package in (data_select_gym, data_select_gym.agents):
        folder = Path(str(package.__file__)).parent
        for path in folder.rglob("*.py"):
            parts = path.relative_to(folder).with_suffix("").parts
            name = ".".join((package.__name__, *parts)).removesuffix(".__init__")
            found[name] = path
    return found


@cache
def tree(name: str) -> ast.Module:
    return ast.parse(modules()[name].read_text(encoding="utf-8"))


def imported(name: str) -> set[str]:
    """Modules of the package that a module imports: anywhere in it, in functions and for typing alone too."""
    found = set()
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name} has a relative import"
            whole = f"{node.module}."
            found |= {whole + alias.name if whole + alias.name in modules() else whole[:-1] for alias in node.names}
    return (found & modules().keys()) - {name}


def circles() -> set[frozenset[str]]:
    """Sets of modules each of which imports, through others, all others."""
    graph = {name: imported(name) for name in modules()}
    reached = {name: reachable(graph, name) for name in graph}
    together = {name: frozenset(other for other in reached[name] if name in reached[other]) for name in graph}
    return {group for group in together.values() if len(group) > 1}


def reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    found, waiting = set[str](), [start]
    while waiting:
        new = graph[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def functions(name: str) -> Iterator[tuple[str, int]]:
    """The functions of a module by name, with the lines of their bodies."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            lines = int(body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            yield f"{name}.{node.name}", lines


def test_all_of_the_package_is_looked_at() -> None:
    assert {"data_select_gym.envs.env", "data_select_gym.training.run", "data_select_gym.cli"} <= modules().keys()
    assert "data_select_gym.agents.rules.rho" in modules() and len(modules()) > 100
    assert "data_select_gym.training.plan" in imported("data_select_gym.training.run")


def test_no_module_imports_another_in_a_circle_for_typing_neither() -> None:
    assert [sorted(group) for group in circles()] == []


def test_no_file_is_too_long() -> None:
    lines = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in modules().items()}
    assert [name for name, count in lines.items() if count > MOST_LINES_OF_A_FILE] == []


def test_no_function_is_too_long() -> None:
    counted = [each for module in modules() for each in functions(module)]
    assert [name for name, count in counted if count > MOST_LINES_OF_A_FUNCTION] == []


@pytest.mark.parametrize(
    "source",
    [
        "from data_select_gym.training import run",
        "from data_select_gym.training.run import TrainingRun",
        "import data_select_gym.training.run",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from data_select_gym.training.run import TrainingRun",
        "def late():\n    from data_select_gym.training.run import TrainingRun",
    ],
)
def test_imports_of_every_form_count(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.tree", lambda name: ast.parse(source))
    assert imported("data_select_gym.training.plan") == {"data_select_gym.training.run"}


def test_a_circle_is_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}
    assert reachable(graph, "a") == {"a", "b", "c"} and "d" not in reachable(graph, "d")


def test_an_installation_has_all_packages() -> None:
    """An editable installation finds packages that a wheel leaves out."""
    listed = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8").partition("\npackages = [")[2]
    packages = {name for name, path in modules().items() if path.name == "__init__.py"}
    assert set(re.findall(r'"(.+?)"', listed.partition("]")[0])) == packages
