"""The whole state of a run, as tensors, numbers, texts and nestings of these: what a checkpoint is made of."""

from __future__ import annotations

import warnings
from copy import deepcopy
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeAlias

from data_select_gym.arguments import check_count
from data_select_gym.training.evaluation import Evaluation

if TYPE_CHECKING:
    from data_select_gym.training.run import TrainingRun

# Only what torch.load reads with weights_only=True, so that loading it runs no code.
State: TypeAlias = dict[str, Any]


class StateError(ValueError):
    """A state is of another run, or damaged."""


def run_state(run: TrainingRun) -> State:
    """Everything that a run goes on from, between two pools.

    Tensors are the run's own: write them before it goes on.
    """
    return _settings(run) | {
        "pool_number": run.pool_number,
        "trained": run.trained,
        "forwarded": run.forwarded,
        "tokens": None if run.tokens is None else run.tokens.state(),
        "skipped": run.skipped,
        "evaluations": [asdict(evaluation) for evaluation in run.evaluations],
        "model": run.model.state_dict(),
        "optimizer": run.trainer.optimizer.state_dict(),
        "augmentation": run.trainer.generator.get_state(),
        "ledger": run.ledger.state(),
        "pools": run.pools.state(),
        "order": run.minibatches.state(),
        "probe": run.probe.state(),
        "randomness": run.randomness.state(),
        "seconds": run.timer.read(),
    }


def restore_run(run: TrainingRun, state: State) -> None:
    """Put a run where another one was.

    Args:
        run: of the same task, seed and plan, with all its settings.
        state: of the other one.

    Raises:
        StateError: the state is of another task, seed or plan, or does not fit the run.
    """
    for name, value in _settings(run).items():
        # A dict with a tensor in it, which is none of these, cannot be compared.
        if type(state.get(name)) is not type(value) or repr(state[name]) != repr(value):
            raise StateError(f"the checkpoint is of {name}={state.get(name)!r}; this run has {name}={value!r}")
    try:
        run.model.load_state_dict(state["model"])
        # An optimizer takes over tensors as they are, and would change them.
        run.trainer.optimizer.load_state_dict(deepcopy(state["optimizer"]))
        run.trainer.generator.set_state(state["augmentation"])
        run.ledger.restore(state["ledger"])
        run.pools.restore(state["pools"])
        run.minibatches.restore(state["order"])
        run.probe.restore(state["probe"])
        run.randomness.restore(state["randomness"])
        run.timer.restore(state["seconds"])
        run.evaluations[:] = [_evaluation(values) for values in state["evaluations"]]
        run.pool_number = check_count("pool_number", state["pool_number"], least=0, most=run.plan.total_pools)
        for name in ("trained", "forwarded", "skipped"):
            setattr(run, name, check_count(name, state[name], least=0))
        _restore_tokens(run, state)
        if run.done:
            run.timer.stop()
    # Whatever is in the place of numbers and tensors.
    except Exception as error:
        raise StateError(f"the checkpoint does not fit this run: {error}") from error


def _restore_tokens(run: TrainingRun, state: State) -> None:
    """Go on counting tokens; or, from a state of a version that did not count them, give it up with a warning."""
    if run.tokens is None:
        return
    if state.get("tokens") is not None:
        run.tokens.restore(state["tokens"])
        return
    if "tokens" not in state:
        warnings.warn(
            "the checkpoint is of a version that did not count tokens, so the token cost of this run is not known",
            stacklevel=4,
        )
    run.tokens = None


def _settings(run: TrainingRun) -> State:
    """What must be the same for a run to go on."""
    return {
        "task": run.task.name,
        "seed": run.seed,
        "plan": asdict(run.plan),
        "batch_size": run.task.recipe.batch_size,
        "label_digest": run.task.label_digest,
    }


def _evaluation(values: State) -> Evaluation:
    evaluation = Evaluation(**values)
    figures = [evaluation.epoch, evaluation.progress, evaluation.cost]
    for value in [*figures, *evaluation.validation.values(), *evaluation.test.values()]:
        if not isinstance(value, int | float):
            raise TypeError(f"a metric is a {type(value).__name__}")
    return evaluation
