"""Policies in a training loop of one's own choose what they would have chosen in an environment."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from data_select_gym.agents import (
    Candidates,
    FrozenPolicy,
    Rule,
    Selector,
    make_policy,
    run_policy,
    save_model,
)
from data_select_gym.envs import DataSelectEnv
from data_select_gym.ledger import Ledger
from data_select_gym.signals import Signals
from data_select_gym.training import FunctionCallback, TrainingRun

from .loops import eight
from .mechanisms import by_mechanism
from .policy_runs import STEPS, digits, first_half
from .small_agents import P, image_env, learned


def selector_for(env: DataSelectEnv, policy: Any) -> Selector:
    plan = env.plan
    return Selector(
        policy,
        env.run.ledger,
        keep_ratio=env.keep_ratio,
        epochs=plan.epochs,
        pools_per_epoch=plan.pools_per_epoch,
        seed=env.run.seed,
    )


@pytest.mark.parametrize("agent", by_mechanism(["data-agent", "sac"]))
def test_an_agent_from_a_file_chooses_what_it_chooses_in_an_environment(agent: str, tmp_path: Path) -> None:
    path = save_model(learned(agent), tmp_path / "agent.zip")
    frozen = make_policy(path)
    assert isinstance(frozen, FrozenPolicy) and frozen.features is not None
    env = image_env(features=frozen.features, anneal_fraction=0.0, keep_ratio=0.4)
    observation, _ = env.reset(seed=3)
    frozen.start(env)
    selector, terminated = selector_for(env, path), False
    while not terminated:
        mine = frozen.select(observation)
        assert 0 < mine.sum() < P
        assert np.array_equal(mine, selector.choose(env.run.pool, env.run.pool_number).numpy())
        observation, _, terminated, _, _ = env.step(mine)
    assert selector.price.value == pytest.approx(env.price.value)


@pytest.mark.parametrize(
    "rule", by_mechanism(["random", "top-loss", "infobatch", "ucb", "epsilon-greedy", "el2n", "forgetting"])
)
def test_a_rule_chooses_what_it_chooses_in_an_environment(rule: str) -> None:
    env = digits(keep_ratio=0.3, epochs=5, warmup_epochs=2)
    selectors: list[Selector] = []

    def hear(run: TrainingRun) -> None:
        if not selectors:
            selectors.append(selector_for(env, rule))
        selectors[0].update(run.visited, run.pool_number - 1)

    class Compared(type(make_policy(rule))):  # type: ignore[misc]
        def select(self, observation: NDArray[np.float32]) -> NDArray[Any]:
            mine: NDArray[Any] = super().select(observation)
            theirs = selectors[0].choose(env.run.pool, env.run.pool_number)
            assert np.array_equal(mine, theirs.numpy())
            return mine

    env.callbacks.append(FunctionCallback(hear))
    assert run_policy(Compared(), env, seed=0).steps == 2 * STEPS


def test_a_callable_sees_the_default_features() -> None:
    seen: list[NDArray[np.float32]] = []

    def half(observation: NDArray[np.float32]) -> NDArray[np.bool_]:
        seen.append(observation)
        return first_half(observation)

    env = digits()
    observation, _ = env.reset(seed=0)
    kept = selector_for(env, half).choose(env.run.pool, env.run.pool_number)
    assert np.array_equal(seen[0], observation)
    assert kept.tolist() == first_half(observation).tolist()


def test_the_price_rises_where_more_is_kept_than_is_meant_to_be() -> None:
    selector = Selector("full", Ledger(8), keep_ratio=0.5, epochs=1, pools_per_epoch=2)
    assert selector.price.value == 0.5
    selector.choose(torch.arange(4), step=0)
    assert selector.price.value == pytest.approx(0.55)


def test_infobatch_gives_weights() -> None:
    ledger = Ledger(8)
    nothing = torch.zeros(8)
    ledger.record(torch.arange(8), Signals(torch.arange(8.0), nothing, nothing, nothing, nothing > 0, nothing), step=0)
    selector = Selector(make_policy("infobatch", prune_ratio=0.5), ledger, keep_ratio=0.5, epochs=2, pools_per_epoch=1)
    assert selector.choose(torch.arange(8), step=1).sort().values.tolist() == [0, 0, 1, 1, 1, 1, 2, 2]


def test_a_policy_that_learns_within_its_run_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^policy='ppo' learns within the run that it steers, .* give its file$"):
        Selector("ppo", Ledger(8), keep_ratio=0.5, epochs=2, pools_per_epoch=1)


@pytest.mark.parametrize("indices", [torch.arange(4).float(), torch.arange(4).view(2, 2), torch.arange(0)])
def test_what_are_no_indices_is_refused(indices: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"^indices are torch\.\w+ of shape \(.*\); int64 \(P,\) is needed$"):
        Selector("full", Ledger(8), keep_ratio=0.5, epochs=2, pools_per_epoch=1).choose(indices, step=1)


@pytest.mark.parametrize("step", [-1, 2, 0.5, None])
def test_a_step_beyond_the_run_is_refused(step: Any) -> None:
    with pytest.raises(ValueError, match=r"^step=.* is not a whole number of at least 0 and at most 1$"):
        Selector("full", Ledger(8), keep_ratio=0.5, epochs=2, pools_per_epoch=1).choose(torch.arange(4), step=step)


ANSWERS: list[tuple[Any, str]] = [
    (np.array([0, 3, 5]), r" has shape \(3,\); \(8,\) is needed, one value for each candidate"),
    (np.full(8, np.nan), r"\[0\]=nan; each must be finite and at least 0"),
    (np.array([1, 1, -1, 0, 0, 0, 0, 0]), r"\[2\]=-1; each must be finite and at least 0"),
    (True, r" has shape \(\); \(8,\) is needed"),
    (np.ones((8, 1)), r" has shape \(8, 1\); \(8,\) is needed"),
    (None, r" is None; booleans or numbers are needed"),
    (np.full(8, 1j), r" is of type complex128; booleans or numbers are needed"),
    (["a"] * 8, r" is of type <U1; booleans or numbers are needed"),
    (torch.ones(8, requires_grad=True), r" is no array of booleans or numbers"),
]


@pytest.mark.parametrize(("answer", "message"), ANSWERS, ids=range(len(ANSWERS)))
def test_an_answer_is_refused_where_the_environment_refuses_it(answer: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^the policy's answer{message}"):
        eight(lambda observation: answer).choose(torch.arange(8), step=1)
    env = digits(pool_size=8)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=f"^action{message}"):
        env.step(answer)


TAKEN = [
    np.arange(8, dtype=np.float32)[::-1],
    np.arange(8, dtype=np.uint16),
    np.arange(8, dtype=np.float16),
    [True, False] * 4,
    torch.arange(8) > 3,
    np.arange(8) % 2,
    torch.arange(8, dtype=torch.bfloat16).float(),
]


@pytest.mark.parametrize("answer", TAKEN, ids=range(len(TAKEN)))
def test_what_the_environment_takes_is_taken_as_a_mask_or_as_weights(answer: Any) -> None:
    chosen = eight(lambda observation: answer).choose(torch.arange(8), step=1)
    given = np.asarray(answer)
    assert chosen.dtype == (torch.bool if given.dtype == bool else torch.float32)
    assert chosen.tolist() == given.tolist()


class Wrong(Rule):
    def choose(self, candidates: Candidates) -> torch.Tensor:
        return candidates.indices[:3]


def test_the_answer_of_a_rule_of_ones_own_is_checked_too() -> None:
    with pytest.raises(ValueError, match=r"^the policy's answer has shape \(3,\); \(8,\) is needed"):
        eight(Wrong()).choose(torch.arange(8), step=1)


class Even(Rule):
    """Keeps the samples of even numbers that it did not keep the last time."""

    def begin(self, samples: int, seed: int, device: torch.device) -> None:
        super().begin(samples, seed, device)
        self.kept = torch.zeros(samples, dtype=torch.bool, device=device)

    def choose(self, candidates: Candidates) -> torch.Tensor:
        chosen = (candidates.indices % 2 == 0) & ~self.kept[candidates.indices]
        self.kept[candidates.indices] = chosen
        return chosen


def test_a_rule_sees_which_samples_there_are_in_an_environment_and_in_a_loop() -> None:
    env = digits(epochs=4)
    assert run_policy(make_policy(Even()), env, seed=0).steps == 2 * STEPS
    assert bool((env.record.indices[env.record.kept] % 2 == 0).all())  # type: ignore[union-attr]
    selector, pool = eight(Even()), torch.tensor([4, 1, 2, 7])
    assert selector.choose(pool, step=1).tolist() == [True, False, True, False]
    assert not selector.choose(pool, step=2).any()


def test_a_choice_of_nothing_can_be_told() -> None:
    selector = eight("forgetting")
    selector.update(torch.arange(0), step=1)
    assert selector.kept_share is None


class Starting:
    def start(self, env: Any) -> None:
        self.env = env

    def select(self, observation: NDArray[np.float32]) -> NDArray[Any]:
        kept: NDArray[Any] = self.env.run.pool.numpy() % 2 == 0
        return kept


class RuleWithStart(Even):
    def start(self, env: DataSelectEnv) -> None:
        super().start(env)


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ("full-equal-cost", "shortens the schedule, which is the loop's own: shorten it there, and keep all"),
        ("rho-loss", "needs the losses of all 8 samples under a model that was trained on held-out data"),
        (Starting(), "begins with the environment, by start.env.; a subclass of data_select_gym.agents.Rule"),
        (RuleWithStart(), "begins with the environment, by start.env.; a subclass of data_select_gym.agents.Rule"),
    ],
    ids=["full-equal-cost", "rho-loss", "object", "rule"],
)
def test_a_policy_that_takes_an_environment_is_refused_at_the_door(policy: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^policy=.* {reason}"):
        eight(policy)


@pytest.mark.parametrize(
    "given", [torch.arange(8.0), list(range(8)), np.arange(8), np.arange(8.0)], ids=["tensor", "list", "whole", "array"]
)
def test_rho_loss_chooses_by_the_losses_that_it_was_given(given: Any) -> None:
    ledger, nothing = Ledger(8), torch.zeros(8)
    ledger.record(torch.arange(8), Signals(torch.ones(8), nothing, nothing, nothing, nothing > 0, nothing), step=0)
    rule = make_policy("rho-loss")
    rule.irreducible = given  # type: ignore[attr-defined]
    assert eight(rule, ledger=ledger).choose(torch.arange(8), step=1).tolist() == [True] * 4 + [False] * 4
    with pytest.raises(ValueError, match=r"^policy=.* needs the losses of all 9 samples .*; there are 8$"):
        eight(rule, ledger=Ledger(9))
    rule.irreducible = "low"  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=r"^policy=.* needs the losses of all 8 samples .*; it is a str$"):
        eight(rule, ledger=ledger)


def test_a_model_that_needs_what_the_ledger_does_not_keep_is_refused_at_the_door() -> None:
    paper = FrozenPolicy(learned("data-agent-paper"))
    with pytest.raises(ValueError, match=r"^policy=.* reads the embedding of samples, which this ledger does not"):
        eight(paper)
    with pytest.raises(ValueError, match=r"^policy=.* learned from shape \(6,\); features=\('embedding',\) give 4"):
        eight(paper, ledger=Ledger(8, embedding_dim=4))
    eight(paper, ledger=Ledger(8, embedding_dim=6)).choose(torch.arange(8), step=1)
    unknown = FrozenPolicy(learned("ppo", features=("loss", "price")), features=("loss",))
    with pytest.raises(ValueError, match=r"learned from shape \(2,\); features=\('loss',\) give 1 numbers of a sample"):
        eight(unknown)


def test_a_model_that_was_driven_before_keeps_the_ratio_of_the_loop() -> None:
    frozen = FrozenPolicy(learned("sac"))
    run_policy(frozen, image_env(features=frozen.features, keep_ratio=0.25), seed=0)
    assert eight(frozen).choose(torch.arange(8), step=1).sum() == 4


def test_indices_that_are_no_tensor_are_refused() -> None:
    with pytest.raises(TypeError, match=r"^indices=\[0, 1\] is a list; a Tensor is needed$"):
        eight("full").choose([0, 1], step=1)  # type: ignore[arg-type]


def test_numbers_of_numpys_are_taken() -> None:
    numbers = {"epochs": np.int32(30), "pools_per_epoch": np.int64(1), "keep_ratio": np.float32(0.5)}
    selector = eight("random", seed=np.int64(1), **numbers)
    assert torch.equal(
        selector.choose(torch.arange(8), np.int64(1)), eight("random", seed=1).choose(torch.arange(8), 1)
    )


def test_the_old_name_of_update_still_works() -> None:
    selector = eight("ucb")
    with pytest.warns(DeprecationWarning, match=r"^Selector.hear is called Selector.update now"):
        selector.hear(torch.arange(0), step=1)
