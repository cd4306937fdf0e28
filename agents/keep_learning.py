"""Learning within one run with checkpoints, from which both the run and the model go on."""

from __future__ import annotations

from collections.abc import Callable

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs

from data_select_gym.agents.keeper import Keeper
from data_select_gym.agents.model_state import model_state, restore_model
from data_select_gym.agents.one_run import learn_run, samplewise
from data_select_gym.randomness import OwnRandomness
from data_select_gym.training.state import State


class OfferCheckpoints(BaseCallback):
    """Offers a checkpoint whenever a rollout begins, since what was collected before has been learned from by then."""

    def __init__(self, keeper: Keeper, randomness: OwnRandomness, more: Callable[[], State] = dict) -> None:
        """Offer checkpoints to ``keeper``, with the model's ``randomness`` and what ``more`` gives in them."""
        super().__init__()
        self.keeper = keeper
        self.randomness = randomness
        self.more = more

    def _on_rollout_start(self) -> None:
        self.keeper.offer(self.state)

    def state(self) -> State:
        """Of the model, of the random generators that it draws from, and of the run as its slots see it."""
        slots = samplewise(self.model.get_env())
        return {
            "model": model_state(self.model),
            "randomness": self.randomness.state(),
            "slots": slots.state(),
            **self.more(),
        }

    def _on_step(self) -> bool:
        return True


def keep_learning(model: BaseAlgorithm, keeper: Keeper, randomness: OwnRandomness) -> None:
    """Let a model learn from one run, from where the keeper's checkpoint left off if there is one.

    Args:
        model: just made.
        keeper: of the run.
        randomness: the block of random generators within which the model was made.
    """
    slots = samplewise(model.get_env())
    if keeper.annealing:
        slots.reset()
        return
    begun = None if keeper.policy_state is None else go_on(model, keeper.policy_state, randomness)
    callback = OfferCheckpoints(keeper, randomness)
    learn_run(model, callback=callback, log_interval=slots.num_envs, begun=begun)


def go_on(model: BaseAlgorithm, state: State, randomness: OwnRandomness) -> VecEnvObs:
    """Put a model, its environment and the generators where they were; returns what the environment shows.

    Args:
        model: just made, its environment told to go on from the same checkpoint.
        state: that of :meth:`OfferCheckpoints.state`.
        randomness: see :func:`keep_learning`.
    """
    slots = samplewise(model.get_env())
    observation = slots.reset()
    slots.restore(state["slots"])
    restore_model(model, state["model"])
    randomness.restore(state["randomness"])
    return observation
