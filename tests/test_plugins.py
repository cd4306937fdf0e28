"""Other packages register what they have by an entry point, and those that fail break nothing."""

import importlib
import subprocess
import sys
import warnings
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from data_select_gym import plugins
from data_select_gym.agents import RULES
from data_select_gym.plugins import PluginWarning
from data_select_gym.rewards import REWARDS

from .tiers import slow

RULE = """
from data_select_gym.agents import Rule, register_rule


@register_rule("theirs")
class Theirs(Rule):
    '''Everything, as they say.'''

    def choose(self, candidates):
        return candidates.signals.loss == candidates.signals.loss
"""
CALLED = """
CALLS = []


def register():
    CALLS.append(1)
    import rules_of_theirs
"""


def install(folder: Path, points: dict[str, str], **modules: str) -> None:
    """Write modules, and what an installed distribution says of its entry points."""
    for name, code in modules.items():
        (folder / f"{name}.py").write_text(code)
    info = folder / "theirs-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.2\n")
    lines = "\n".join(f"{name} = {value}" for name, value in points.items())
    (info / "entry_points.txt").write_text(f"[data_select_gym.plugins]\n{lines}\n")


def told(folder: Path, code: str) -> tuple[str, str]:
    """What another process prints, on standard output and as errors."""
    start = f"import sys; sys.path.insert(0, {str(folder)!r})\n"
    done = subprocess.run([sys.executable, "-c", start + code], capture_output=True, text=True, check=True)
    return done.stdout, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("point", [slow("rules_of_theirs"), "called:register"])
def test_a_plug_in_is_a_module_or_a_function_that_is_called_once(tmp_path: Path, point: str) -> None:
    install(tmp_path, {"rules": point}, rules_of_theirs=RULE, called=CALLED)
    code = """
from data_select_gym.agents import POLICIES, RULES, make_policy
from data_select_gym.cli import main
assert "rules_of_theirs" not in sys.modules
print(type(make_policy("theirs")).__name__, "theirs" in RULES, "theirs" in POLICIES)
print("calls", getattr(sys.modules.get("called"), "CALLS", [1]))
main(["list"])
"""
    out, err = told(tmp_path, code)
    assert out.splitlines()[:2] == ["Theirs True True", "calls [1]"]
    assert [line.split() for line in out.splitlines() if "theirs" in line] == [
        ["theirs", "Everything,", "as", "they", "say"]
    ]
    assert err == ""


@pytest.mark.slow
def test_the_environment_of_a_plug_in_is_known_to_the_package(tmp_path: Path) -> None:
    task = """
from data_select_gym.tasks import make_task, register_task


@register_task("their-digits", env_id="DataSelect/TheirDigits-v0")
def their_digits(*, epochs=3):
    return make_task("digits", epochs=epochs)
"""
    install(tmp_path, {"tasks": "tasks_of_theirs"}, tasks_of_theirs=task)
    code = """
import gymnasium
from data_select_gym.envs import SamplewiseVecEnv, as_base_env
print(as_base_env("DataSelect/TheirDigits-v0").task.name, SamplewiseVecEnv("DataSelect/TheirDigits-v0").num_envs)
print(gymnasium.make("DataSelect/TheirDigits-v0", epochs=4).unwrapped.plan.epochs)
"""
    assert told(tmp_path, code) == ("Digits 128\n4\n", "")


def test_a_plug_in_that_fails_is_named_and_breaks_nothing(tmp_path: Path) -> None:
    points = {"broken": "broken", "missing": "missing:register", "taken": "taken", "works": "rules_of_theirs"}
    taken = RULE.replace('"theirs"', '"top-loss"')
    install(tmp_path, points, rules_of_theirs=RULE, broken="raise OSError('no disk')", taken=taken)
    out, err = told(tmp_path, "from data_select_gym.agents import RULES, make_policy; print(make_policy('theirs'))")
    assert "Theirs" in out
    warnings = [line for line in err.splitlines() if "PluginWarning: " in line]
    assert len(warnings) == 3
    assert any(
        "the plug-in 'broken' of theirs 1.2, broken, failed, and only what it registered before is there: OSError: no "
        "disk" in w
        for w in warnings
    )
    assert any("'missing' of theirs 1.2, missing:register, failed" in w for w in warnings)
    assert any("'taken' of theirs 1.2" in w and "name='top-loss' is taken by the rule of" in w for w in warnings)


# In this process

FIRST = """
from data_select_gym.agents import Rule, register_rule


@register_rule("of-{name}")
class Theirs(Rule):
    def choose(self, candidates):
        return candidates.signals.loss == candidates.signals.loss


def shared(outcome):
    return outcome.action
"""
SECOND = """
from data_select_gym.rewards import register_reward
from {name}_rules import shared


def setup():
    register_reward("of-{name}")(shared)


setup()
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts modules on the path, and makes them the only plug-ins, none of them loaded yet."""

    def install_here(points: dict[str, str], **modules: str) -> None:
        for name, code in modules.items():
            (tmp_path / f"{name}.py").write_text(code)
        found = [EntryPoint(name, value, plugins.GROUP) for name, value in points.items()]
        for registry in (RULES, REWARDS):
            registry.load()
            monkeypatch.setattr(registry, "_loaded", False)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr(plugins, "entry_points", lambda group: found)
        monkeypatch.setattr(plugins, "LOADED", set())

    return install_here


@pytest.mark.parametrize("asked", ["rules", "rewards", "import"])
@pytest.mark.parametrize("values", [("rules", "rewards"), ("rules", "rules:shared_setup"), ("rewards:setup", "rules")])
def test_plug_ins_of_one_package_do_not_break_one_another(
    installed: Callable[..., None], asked: str, values: tuple[str, str]
) -> None:
    name = f"pk{asked}{len(values[1])}"
    late = f"\n\ndef shared_setup():\n    import {name}_rewards\n"
    points = {"a": f"{name}_{values[0]}", "b": f"{name}_{values[1]}"}
    installed(points, **{f"{name}_rules": FIRST.format(name=name) + late, f"{name}_rewards": SECOND.format(name=name)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if asked == "import":
            importlib.import_module(f"{name}_rules")
        first, second = (REWARDS, RULES) if asked == "rewards" else (RULES, REWARDS)
        assert f"of-{name}" in first and f"of-{name}" in second
    assert RULES._loaded and REWARDS._loaded


@pytest.mark.parametrize("last", ["sys.exit('no licence')", "raise OSError('no disk')"])
def test_a_plug_in_that_fails_or_exits_keeps_what_it_registered(installed: Callable[..., None], last: str) -> None:
    name = f"ends{len(last)}"
    broken = f"import sys\n{FIRST.format(name=name)}\n{last}\n"
    installed(
        {"a": f"{name}_broken", "b": f"{name}_works"},
        **{f"{name}_broken": broken, f"{name}_works": FIRST.format(name=f"{name}-too")},
    )
    with pytest.warns(PluginWarning, match=rf"'a', {name}_broken, failed, and only what it registered before is there"):
        assert {f"of-{name}", f"of-{name}-too"} <= set(RULES)


def test_a_plug_in_does_not_keep_the_user_from_interrupting(installed: Callable[..., None]) -> None:
    installed({"a": "interrupted"}, interrupted="raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        RULES.load()
    assert not plugins.LOADING
