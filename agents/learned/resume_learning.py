"""Learning within one run with checkpoints, from which both the run and the model resume."""

from __future__ import annotations

from collections.abc import Callable

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs

from data_select_gym.agents.learned.model_state import load_model_state_dict, model_state_dict
from data_select_gym.agents.learned.one_run import learn_run, samplewise
from data_select_gym.agents.run_checkpointer import RunCheckpointer
from data_select_gym.randomness import RNGScope
from data_select_gym.training.checkpoint_state import State


class OfferCheckpoints(BaseCallback):
    """Offers a checkpoint whenever a rollout begins, when the model has learned from all that was collected before."""

    def __init__(self, checkpointer: RunCheckpointer, randomness: RNGScope, more: Callable[[], State] = dict) -> None:
        """Offer checkpoints to ``checkpointer``, with the model's ``randomness`` and what ``more`` gives in them."""
        super().__init__()
        self.checkpointer = checkpointer
        self.randomness = randomness
        self.more = more

    def _on_rollout_start(self) -> None:
        self.checkpointer.offer(self.state_dict)

    def state_dict(self) -> State:
        """State of the model, of its random generators, and of the episode as the samplewise view counts it."""
        slots = samplewise(self.model.get_env())
        return {
            "model": model_state_dict(self.model),
            "randomness": self.randomness.state_dict(),
            "slots": slots.state_dict(),
            **self.more(),
        }

    def _on_step(self) -> bool:
        return True


def resume_learning(model: BaseAlgorithm, checkpointer: RunCheckpointer, randomness: RNGScope) -> None:
    """Let a model learn from one run, resuming from the checkpointer's checkpoint if there is one.

    Args:
        model: just made.
        checkpointer: of the run.
        randomness: the block of random generators within which the model was made.
    """
    slots = samplewise(model.get_env())
    if checkpointer.annealing:
        slots.reset()
        return
    begun = None if checkpointer.policy_state is None else go_on(model, checkpointer.policy_state, randomness)
    callback = OfferCheckpoints(checkpointer, randomness)
    learn_run(model, callback=callback, log_interval=slots.num_envs, begun=begun)


def go_on(model: BaseAlgorithm, state: State, randomness: RNGScope) -> VecEnvObs:
    """Restore a model, its environment and the random generators; returns the environment's observation.

    Args:
        model: just made, its environment about to resume from the same checkpoint.
        state: that of :meth:`OfferCheckpoints.state_dict`.
        randomness: see :func:`resume_learning`.
    """
    slots = samplewise(model.get_env())
    observation = slots.reset()
    slots.load_state_dict(state["slots"])
    load_model_state_dict(model, state["model"])
    randomness.load_state_dict(state["randomness"])
    return observation
