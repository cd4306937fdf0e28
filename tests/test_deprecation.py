"""Warnings of old names are shown where they are used, and point there."""

import warnings

import pytest

MAKE = (
    "import gymnasium as gym\nfrom data_select_gym import agents\nfrom data_select_gym.envs import SamplewiseVecEnv\n"
)
OPTIONS = "length=0.75, epochs=4, device='cpu'"


def shown_for(script: str) -> list[tuple[int, str]]:
    """Line and message of each warning that Python shows by default if this is the main program."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.filterwarnings("default", category=DeprecationWarning, module="__main__")
        exec(compile(script, "script.py", "exec"), {"__name__": "__main__"})
    assert {warning.filename for warning in caught} <= {"script.py"}
    return [(warning.lineno, str(warning.message).partition(";")[0]) for warning in caught]


@pytest.mark.parametrize(
    ("package", "old", "new"),
    [
        ("data_select_gym.agents", "drive", "run_policy"),
        ("data_select_gym.envs", "make_joint", "as_base_env"),
        ("data_select_gym.experiments", "Outcome", "ComparisonResult"),
    ],
)
def test_an_import_of_an_old_name_is_told_once_at_its_line(package: str, old: str, new: str) -> None:
    told = f"{package}.{old} is called {package}.{new} now"
    assert shown_for(f"\nfrom {package} import {old}\n") == [(2, told)]
    assert shown_for(f"import {package} as package\n\npackage.{old}\n") == [(3, told)]


@pytest.mark.parametrize(
    "call",
    [
        f"gym.make('DataSelect/Digits-v0', {OPTIONS})",
        f"gym.make_vec('DataSelect/Digits-v0', {OPTIONS})",
        f"SamplewiseVecEnv('DataSelect/Digits-v0', {OPTIONS})",
        f"agents.make_env(agents.make_policy('random'), 'DataSelect/Digits-v0', {OPTIONS})",
    ],
)
def test_an_old_argument_is_told_at_the_line_that_gives_it(call: str) -> None:
    assert shown_for(MAKE + call + "\n") == [(4, "the argument length is called schedule_fraction now")]
