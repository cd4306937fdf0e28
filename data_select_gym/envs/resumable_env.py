"""The environment's run as a state: saved, resumed, pickled and copied."""

from __future__ import annotations

import io
import os
import pickle
import re
from abc import abstractmethod
from copy import deepcopy
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from data_select_gym.arguments import check_path, is_whole
from data_select_gym.envs.argument import Argument
from data_select_gym.envs.base_env import EpisodeEnv
from data_select_gym.envs.episode import PHASES
from data_select_gym.envs.pickling import pickle_arguments
from data_select_gym.envs.tensorboard import RunWriter
from data_select_gym.training.checkpoint_state import State, StateError, check_same
from data_select_gym.training.checkpoints import read_state, write_state

# What is made of the arguments and of the state of the run. Callbacks of one environment do not listen to another.
REMADE = frozenset(
    {
        *("spec", "task", "_config", "episode", "curves", "regimes"),
        *("_arguments", "_task_options", "_labels", "_drawn", "_form", "_callbacks"),
    }
)
SETTABLE = tuple(name for name, member in vars(EpisodeEnv).items() if isinstance(member, Argument))


class ResumableEnv(EpisodeEnv):
    """An environment whose run can be saved, resumed, pickled and copied."""

    @abstractmethod
    def _remake(self, **arguments: Any) -> None:
        """Make this object, of which there is nothing yet, by the constructor of the environment."""

    def state_dict(self, *, copy: bool = True) -> State:
        """Everything that the run resumes from: tensors, numbers, texts and nestings of these.

        Args:
            copy: whether tensors are copies, which later steps leave alone. Without, write the state before the next
                step.

        Raises:
            ResetNeeded: there is no run yet.
        """
        state = {
            "settings": self.episode.config.resume_settings(),
            **self.episode.state_dict(),
            "np_random": self.np_random.bit_generator.state,
            "curves": self.curves.folder,
            "regime": None if self._drawn is None else asdict(self._drawn),
        }
        return deepcopy(state) if copy else state

    def load_state_dict(self, state: State) -> None:
        """Have the next ``reset`` resume from a state of the same environment, bit-identically on a CPU.

        Raises:
            ValueError: the state is of another environment.
        """
        check_state(state, self.config.resume_settings())
        self._pending = state

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the state of the run to a file that takes its name only when it is whole.

        Raises:
            ResetNeeded: there is no run yet.
            OSError: the file cannot be written.
        """
        write_state(check_path("path", path), self.state_dict(copy=False))

    def load(self, path: str | os.PathLike[str]) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Resume from a file of :meth:`save`; reading it runs no code.

        Returns:
            Observation and info, as of ``reset``.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is damaged, or of another environment.
        """
        state = read_state(path)
        try:
            self.load_state_dict(state)
            return self.reset()
        except StateError as error:
            raise StateError(f"{os.fspath(path)}: {error}") from error

    def __getstate__(self) -> dict[str, Any]:
        arguments = pickle_arguments(self._arguments, self._task_options, self.spec)
        file = io.BytesIO()
        if self.episode.has_run:
            torch.save(self.state_dict(copy=False), file)
        writing = self.curves.writer is not None
        told = {"began": self._began_with(), "writing": writing}
        return {"arguments": arguments, "own": self._own(), "run": file.getvalue(), **told}

    def __setstate__(self, state: dict[str, Any]) -> None:
        arguments, options, spec = pickle.loads(state["arguments"])
        run = torch.load(io.BytesIO(state["run"]), map_location="cpu", weights_only=True) if state["run"] else None
        own = {"spec": spec} | state["own"]
        self._fill(arguments | options, own, run, began=state["began"], writing=state["writing"])

    def __deepcopy__(self, memo: dict[int, Any]) -> ResumableEnv:
        other = self.__class__.__new__(self.__class__)
        memo[id(self)] = other
        given = {"spec": self.spec, "_arguments": self._arguments, "_task_options": self._task_options}
        run = self.state_dict() if self.episode.has_run else None
        writing = self.curves.writer is not None
        own, arguments = given | deepcopy(self._own(), memo), self._arguments | {"task": self.regimes.base}
        other._fill(arguments, own, run, began=self._began_with(), writing=writing)
        return other

    def _began_with(self) -> dict[str, Any]:
        """The arguments that were set since the present run began, as they were then."""
        now, then = self.config, self.episode.config
        # Those that can be set are numbers, flags and texts; others need not be comparable.
        return {name: then.argument(name) for name in SETTABLE if then.argument(name) != now.argument(name)}

    def _own(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in REMADE}

    @torch.inference_mode(False)
    def _fill(
        self,
        arguments: dict[str, Any],
        own: dict[str, Any],
        run: State | None,
        *,
        began: dict[str, Any],
        writing: bool,
    ) -> None:
        """Make this object what another one was, whose run ``began`` with other arguments."""
        self._remake(**arguments)
        vars(self).update(own)
        if run is None:
            return
        # Two that write to one folder would be taken for one run.
        config = self.config.changed(**began) if began else None
        self._begin(run["run"]["seed"], run | {"curves": None}, None, config)
        if not self.run.done:
            self.episode.observe(fresh=False)
        if writing:
            self.curves = RunWriter(self.episode.config.tensorboard_log)


def check_state(state: State, settings: dict[str, Any]) -> None:
    """Check that a state is one of an environment with these settings.

    Raises:
        StateError: it is not.
    """
    if not isinstance(state, dict):
        raise StateError(f"the checkpoint is a {type(state).__name__}; a dict is needed")
    given, folder = state.get("settings"), state.get("curves", "")
    if not isinstance(given, dict) or not isinstance(state.get("run"), dict) or state.get("phase") not in PHASES:
        raise StateError("the checkpoint is not one of an environment")
    # Nothing is written beyond the folder that was asked for, whatever a checkpoint says.
    if folder is not None and not (isinstance(folder, str) and re.fullmatch(r"run_\d+", folder)):
        raise StateError(f"the checkpoint has curves in {folder!r:.100}, which is no folder of a run")
    if not is_whole(state["run"].get("seed")) or not 0 <= state["run"]["seed"] < 2**31:
        raise StateError("the checkpoint has no seed of a run")
    # Version 0.1 had no regimes.
    check_same({"regime": ""} | given, settings, "this environment")
