"""The files from which an interrupted comparison resumes."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from data_select_gym.arguments import is_number, is_whole
from data_select_gym.experiments.results import Failure, RunRecord
from data_select_gym.experiments.run_key import RunKey
from data_select_gym.experiments.settings_json import with_current_names
from data_select_gym.files import replacing

# Runs with other versions of these are other runs. Versions of other packages hardly matter.
SAME_VERSIONS = ("data-select-gym", "torch")

# What the settings must hold for a command to resume from them.
SETTINGS: dict[str, Callable[[Any], bool]] = {
    "env": lambda value: isinstance(value, str),
    "policies": lambda value: isinstance(value, dict) and all(isinstance(policy, str) for policy in value.values()),
    "keep_ratios": lambda value: isinstance(value, list) and all(map(is_number, value)),
    "costs": lambda value: isinstance(value, list) and all(map(is_number, value)),
    "seeds": is_whole,
    "jobs": is_whole,
    "threads": is_whole,
}


class RunFiles:
    """The settings of a comparison, and a file for each run that has finished or failed.

    Attributes:
        out: the folder of the comparison, with ``settings.json`` and the folders ``runs`` and ``failures``.
    """

    def __init__(self, out: Path) -> None:
        self.out = out

    def begin(self, settings: Mapping[str, Any]) -> None:
        """Make the folder and write the settings.

        Raises:
            ValueError: the folder holds a comparison with other settings. It may have other policies, keep ratios,
                costs, seeds, jobs and threads: none of these changes a run.
        """
        (self.out / "runs").mkdir(parents=True, exist_ok=True)
        file = self.out / "settings.json"
        if file.exists():
            self._check_same(file, settings)
        with replacing(file) as path:
            path.write_text(json.dumps(settings, indent=1) + "\n")

    def read(self, key: RunKey, policy_is: str) -> RunRecord | None:
        """The run; None if it has not finished, its file is damaged, or it is of another policy.

        A warning names a run of another policy.
        """
        try:
            run = RunRecord.from_dict(json.loads(self._run(key).read_text()))
            found = RunKey(run.policy, run.keep_ratio, run.result.seed, run.asked_cost)
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None
        if found != key:
            return None
        if run.policy_is != policy_is:
            warnings.warn(
                f"{key}: the run in {str(self.out)!r} is of the policy {run.policy_is!r}; here it is {policy_is!r}, "
                "and the run is repeated",
                stacklevel=2,
            )
            return None
        return run

    def write(self, key: RunKey, outcome: RunRecord | Failure) -> None:
        """Write the result of a run."""
        failure = self.out / "failures" / f"{key.name}.txt"
        if isinstance(outcome, Failure):
            failure.parent.mkdir(exist_ok=True)
            with replacing(failure) as path:
                path.write_text(f"{key}: {outcome.error}\n\n{outcome.traceback}", "utf-8", "backslashreplace")
        else:
            with replacing(self._run(key)) as path:
                path.write_text(json.dumps(asdict(outcome)) + "\n")
            failure.unlink(missing_ok=True)

    def _run(self, key: RunKey) -> Path:
        return self.out / "runs" / f"{key.name}.json"

    def _check_same(self, file: Path, settings: Mapping[str, Any]) -> None:
        try:
            there, here = what_makes_a_run(with_current_names(json.loads(file.read_text()))), what_makes_a_run(settings)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ValueError(
                f"{file} is damaged ({error}); remove it, or use another folder for the results"
            ) from error
        differing = [
            f"{name}={there.get(name)!r} there and {here.get(name)!r} now"
            for name in there.keys() | here.keys()
            if there.get(name) != here.get(name)
        ]
        if differing:
            raise ValueError(
                f"out={str(self.out)!r} holds a comparison with other settings ({', '.join(sorted(differing))}); "
                "use another folder"
            )


def read_settings(out: Path) -> dict[str, Any]:
    """The settings of the comparison in a folder.

    Raises:
        FileNotFoundError: there is no comparison in it.
        ValueError: they are damaged.
    """
    file = out / "settings.json"
    if not file.is_file():
        raise FileNotFoundError(f"{str(out)!r} holds no comparison: there is no settings.json")
    try:
        settings = with_current_names(json.loads(file.read_text(encoding="utf-8")))
        what_makes_a_run(settings)
        wrong = [name for name, fits in SETTINGS.items() if name not in settings or not fits(settings[name])]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"{file} is damaged ({error})") from error
    if wrong:
        raise ValueError(f"{file} is damaged: {', '.join(wrong)} is missing or of another type")
    return settings


def what_makes_a_run(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a run depends on, by name, beside policy, keep ratio and seed."""
    options = {f"options[{name!r}]": value for name, value in settings["options"].items()}
    versions = {f"version of {package}": settings["versions"][package] for package in SAME_VERSIONS}
    return {"env": settings["env"]} | options | versions
