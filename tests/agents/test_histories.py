"""Rules that keep a history of every sample, against values worked out by hand."""

from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from data_select_gym.agents import Candidates, HistoryRule, Rule, make_policy, run_policy
from data_select_gym.agents.rules import UCB
from data_select_gym.envs import DataSelectEnv, as_base_env
from data_select_gym.ledger import Ledger
from data_select_gym.signals import Signals
from data_select_gym.training import FunctionCallback, TrainingRun
from data_select_gym.training.checkpoints import Checkpoints

from ..tiers import slow

HISTORIES = ["ucb", "epsilon-greedy", "el2n", "forgetting", "evolved-sampling"]
CPU = torch.device("cpu")
NAN = float("nan")


def show(
    rule: Rule,
    visits: list[int],
    *,
    loss: list[float] | None = None,
    el2n: list[float] | None = None,
    correct: list[bool] | None = None,
    keep_ratio: float = 0.5,
    progress: float = 0.5,
    rows: list[int] | None = None,
) -> Tensor:
    count = len(visits)
    half = torch.full((count,), 0.5)
    signals = Signals(
        loss=half if loss is None else torch.tensor(loss),
        uncertainty=half,
        confidence=half,
        margin=half,
        correct=half > 0 if correct is None else torch.tensor(correct),
        el2n=half if el2n is None else torch.tensor(el2n),
    )
    indices = torch.arange(count) if rows is None else torch.tensor(rows)
    trained = torch.tensor(visits, dtype=torch.int32)
    return rule.choose(Candidates(signals, keep_ratio, rule.generator, indices, trained, progress))


def begun(name: str, samples: int, **options: float) -> Rule:
    rule = make_policy(name, **options)
    assert isinstance(rule, Rule)
    rule.begin(samples, seed=0, device=CPU)
    return rule


def test_epsilon_greedy_keeps_the_highest_moving_average() -> None:
    rule = begun("epsilon-greedy", 4, epsilon=0.0, alpha=0.5)
    show(rule, [1, 1, 1, 1], loss=[8.0, 1.0, 4.0, 2.0])
    # (8 + 0) / 2 = 4, (1 + 1) / 2 = 1, (4 + 5) / 2 = 4.5, and the last was not trained on: 2 as before.
    kept = show(rule, [2, 2, 2, 1], loss=[0.0, 1.0, 5.0, 99.0])
    assert rule.average.tolist() == [4.0, 1.0, 4.5, 2.0]
    assert kept.tolist() == [True, False, True, False]


def test_epsilon_greedy_draws_a_share_of_the_budget_at_random() -> None:
    rule = begun("epsilon-greedy", 100, epsilon=0.5, alpha=0.5)
    losses = [float(number) for number in range(100)]
    draws = [show(rule, [1] * 100, loss=losses, keep_ratio=0.4) for _ in range(30)]
    for kept in draws:
        assert int(kept.sum()) == 40
        assert kept[80:].all()  # half of the forty are the highest
    ever = torch.stack(draws).any(dim=0)
    assert ever[:80].float().mean().item() > 0.95
    assert not torch.equal(draws[0], draws[1])


def test_ucb_adds_the_variance_to_the_mean() -> None:
    rule = begun("ucb", 2, c=2.0, alpha=0.5)
    assert show(rule, [1, 1], loss=[2.0, 5.0]).tolist() == [False, True]
    # v = 0.5 (4 - 2)^2 = 2 with the old mean, then m = (2 + 4) / 2 = 3: 3 + 2 * 2 = 7 against 5 + 2 * 0.
    assert show(rule, [2, 2], loss=[4.0, 5.0]).tolist() == [True, False]
    assert rule.mean.tolist() == [3.0, 5.0]
    assert rule.variance.tolist() == [2.0, 0.0]
    # v = 0.5 * 2 + 0.5 (1 - 3)^2 = 3 and m = (3 + 1) / 2 = 2.
    show(rule, [3, 2], loss=[1.0, 99.0])
    assert rule.mean.tolist() == [2.0, 5.0]
    assert rule.variance.tolist() == [3.0, 0.0]


@pytest.mark.parametrize("name", ["ucb", "epsilon-greedy", "el2n"])
def test_what_was_never_trained_on_comes_first(name: str) -> None:
    rule = begun(name, 4)
    kept = show(rule, [1, 0, 1, 0], loss=[9.0, 0.0, 9.0, 0.0], el2n=[1.0, 0.0, 1.0, 0.0])
    assert kept.tolist() == [False, True, False, True]


@pytest.mark.parametrize("name", ["ucb", "epsilon-greedy"])
def test_a_diverged_loss_does_not_stay_in_the_average(name: str) -> None:
    rule = begun(name, 2)
    show(rule, [1, 1], loss=[NAN, 1.0])
    show(rule, [2, 2], loss=[3.0, 1.0])
    column = rule.mean if name == "ucb" else rule.average
    assert column.tolist() == [3.0, 1.0]


def test_el2n_is_averaged_early_and_then_kept() -> None:
    rule = begun("el2n", 4, early=0.4)
    show(rule, [1, 1, 1, 1], el2n=[0.2, 0.5, 0.1, 1.0], progress=0.1)
    show(rule, [2, 1, 2, 2], el2n=[0.6, 0.0, 0.1, 1.0], progress=0.3)
    # Means 0.4, 0.5 (its second is not of a visit), 0.1 and 1.0; what comes later does not count.
    for progress in (0.5, 0.9):
        kept = show(rule, [9, 9, 9, 9], el2n=[1.4, 1.4, 1.4, 0.0], progress=progress)
        assert kept.tolist() == [False, True, False, True]


def test_el2n_and_forgetting_keep_a_random_share_early() -> None:
    for name in ("el2n", "forgetting"):
        rule = begun(name, 10, early=0.5)
        kept = [show(rule, [1] * 10, el2n=[0.1 * number for number in range(10)], progress=0.4) for _ in range(20)]
        assert all(int(mask.sum()) == 5 for mask in kept)
        assert torch.stack(kept).any(dim=0).all()


def test_forgetting_counts_the_falls_from_correct_to_wrong() -> None:
    rule = begun("forgetting", 4, early=0.0)
    histories = torch.tensor([[1, 0, 1, 0], [1, 1, 1, 1], [0, 0, 0, 0], [0, 1, 0, 0]]).bool()
    for visit in range(4):
        kept = show(rule, [visit + 1] * 4, correct=histories[:, visit].tolist())
    # Twice, never, never correct, once.
    assert rule.forgotten.tolist() == [2.0, 0.0, 0.0, 1.0]
    assert kept.tolist() == [True, False, True, False]
    one = show(rule, [4] * 4, correct=[True] * 4, keep_ratio=0.25)
    assert one.tolist() == [False, False, True, False]


def test_histories_are_of_samples_and_not_of_places_in_the_pool() -> None:
    rule = begun("epsilon-greedy", 6, epsilon=0.0, alpha=0.5)
    show(rule, [1, 1], loss=[8.0, 1.0], rows=[5, 2])
    show(rule, [2, 1], loss=[0.0, 3.0], rows=[5, 0])
    assert rule.average.tolist() == [3.0, float("inf"), 1.0, float("inf"), float("inf"), 4.0]


def test_a_new_run_forgets_the_last_one() -> None:
    rule = begun("forgetting", 2, early=0.0)
    show(rule, [1, 1], correct=[True, True])
    show(rule, [2, 2], correct=[False, True])
    rule.begin(2, seed=0, device=CPU)
    assert rule.forgotten.tolist() == [0.0, 0.0]
    assert rule.seen.tolist() == [0, 0]


class ByHand:
    """What the rules remember, counted sample by sample from a run's ledger after each of its pools."""

    def __init__(self, env: DataSelectEnv) -> None:
        self.visits = [0] * env.plan.samples
        self.losses: list[list[float]] = [[] for _ in self.visits]
        self.correct: list[list[bool]] = [[] for _ in self.visits]
        self.early: list[list[float]] = [[] for _ in self.visits]
        env.callbacks.append(FunctionCallback(self.look))

    def look(self, run: TrainingRun) -> None:
        ledger, shown_at = run.ledger, (run.pool_number - 1) / run.plan.total_pools
        columns = (ledger.visits, ledger.columns["loss"], ledger.columns["correct"], ledger.columns["el2n"])
        for sample, (visits, loss, correct, el2n) in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
            if visits > self.visits[sample]:
                assert visits == self.visits[sample] + 1
                self.visits[sample] = visits
                self.losses[sample].append(loss)
                self.correct[sample].append(correct)
                if shown_at < 0.25 or not self.early[sample]:
                    self.early[sample].append(el2n)

    def remembered(self, name: str) -> dict[str, list[float]]:
        if name == "el2n":
            return {"count": [len(norms) for norms in self.early], "total": [sum(norms) for norms in self.early]}
        if name == "forgetting":
            falls = [sum(a and not b for a, b in pairwise(seen)) for seen in self.correct]
            return {"forgotten": falls, "ever_correct": [any(seen) for seen in self.correct]}
        if name == "evolved-sampling":
            scores, weights = [], []
            for losses in self.losses:
                score = weight = losses[0] if losses else float("inf")
                for loss in losses[1:]:
                    weight, score = 0.2 * score + 0.8 * loss, 0.8 * score + 0.2 * loss
                scores.append(score)
                weights.append(weight)
            return {"scores": scores, "weights": weights}
        means, variances = [], []
        for losses in self.losses:
            mean, variance = losses[0] if losses else float("inf"), 0.0
            for loss in losses[1:]:
                variance = 0.7 * variance + 0.3 * (loss - mean) ** 2
                mean = 0.7 * mean + 0.3 * loss
            means.append(mean)
            variances.append(variance)
        return {"mean": means, "variance": variances} if name == "ucb" else {"average": means}


def small(**options: Any) -> DataSelectEnv:
    return DataSelectEnv("digits", **{"epochs": 8, "pool_size": 300, "device": "cpu"} | options)


@pytest.mark.parametrize(
    "options",
    [{}, slow({"warmup_epochs": 3}), slow({"warmup_epochs": 0}), slow({"warmup_epochs": 2, "observe": "fresh"})],
    ids=str,
)
@pytest.mark.parametrize("name", HISTORIES)
def test_every_visit_is_heard_of_when_it_happens(name: str, options: dict[str, Any]) -> None:
    env = small(**options)
    by_hand = ByHand(env)
    rule = make_policy(name)
    run_policy(rule, env, seed=2)
    assert sum(by_hand.visits) == env.run.costs.trained
    for column, values in by_hand.remembered(name).items():
        assert getattr(rule, column).tolist() == pytest.approx(values, rel=1e-4, abs=1e-6)
    (callback,) = env.callbacks
    assert isinstance(callback, FunctionCallback) and callback.function == by_hand.look


class Killed(Exception):
    """Stands for the end of a process."""


@pytest.mark.slow
def test_a_history_goes_on_from_a_checkpoint_in_any_epoch(tmp_path: Path) -> None:
    whole = make_policy("forgetting")
    run_policy(whole, small(warmup_epochs=3), seed=2)
    plan = small(warmup_epochs=3).plan
    for pools in (2, plan.warmup_pools - 1, plan.warmup_pools, plan.warmup_pools + 3, plan.total_pools - 1, None):

        def on_pool(run: TrainingRun, pools: int | None = pools) -> None:
            if run.pool_number == pools:
                raise Killed

        env, rule = small(warmup_epochs=3), make_policy("forgetting")
        env.callbacks.append(FunctionCallback(on_pool))
        with nullcontext() if pools is None else pytest.raises(Killed):
            run_policy(rule, env, seed=2, checkpoints=Checkpoints(tmp_path / "run", minutes=None, steps=1))
        (callback,) = env.callbacks
        assert isinstance(callback, FunctionCallback) and callback.function is on_pool
    for column in ("seen", "forgotten", "was_correct", "ever_correct"):
        assert torch.equal(getattr(rule, column), getattr(whole, column))


def test_a_rule_that_is_only_asked_learns_of_visits_when_samples_are_shown() -> None:
    env, rule = small(pool_size=160), make_policy("ucb")
    env.reset(seed=0)
    rule.start(env)
    rule.select(np.zeros(0, np.float32))
    assert isinstance(rule, UCB)
    assert torch.equal(rule.mean[env.run.rows], env.signals.loss)
    assert rule.mean.isinf().sum() == env.plan.samples - env.plan.pool_size


def test_a_training_loop_of_ones_own_tells_what_it_has_trained_on() -> None:
    rule, ledger, pool = begun("forgetting", 3), Ledger(3), torch.arange(3)
    for visit, correct in enumerate([[True, True, False], [False, True, False], [True, False, False]]):
        half = torch.full((3,), 0.5)
        ledger.record(pool, Signals(half, half, half, half, torch.tensor(correct), half), step=visit)
        for _ in range(2):  # twice is no more than once
            rule.update(pool, ledger.visits[pool], ledger.read(pool), progress=0.1 * visit)
    assert rule.forgotten.tolist() == [1.0, 1.0, 0.0]
    assert rule.ever_correct.tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("epsilon-greedy", {"epsilon": 1.5}, r"^epsilon=1.5 is not a number in \[0, 1\]$"),
        ("epsilon-greedy", {"alpha": 0.0}, r"^alpha=0.0 is not a number in \(0, 1\]$"),
        ("ucb", {"c": -1.0}, "^c=-1.0 is not a number of at least 0$"),
        ("ucb", {"alpha": NAN}, r"^alpha=nan is not a number in \(0, 1\]$"),
        ("el2n", {"early": 2}, r"^early=2 is not a number in \[0, 1\]$"),
    ],
)
def test_settings_out_of_range_are_refused(name: str, options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_policy(name, **options)


@pytest.mark.parametrize("name", HISTORIES)
def test_a_run_holds_the_budget_and_is_the_same_again(name: str) -> None:
    first, second = (
        run_policy(make_policy(name), as_base_env("DataSelect/Digits-v0", epochs=5, batch_size=64), seed=1)
        for _ in range(2)
    )
    assert first.keep_fraction == 0.5
    assert (first.quality, first.episode_return, first.cost) == (second.quality, second.episode_return, second.cost)


# The names of version 0.1


def older() -> type[HistoryRule]:
    """A rule as it was written for version 0.1."""

    class Older(HistoryRule):
        def begin(self, samples: int, seed: int, device: torch.device) -> None:
            super().begin(samples, seed, device)
            self.last = torch.zeros(samples)

        def remember(self, indices: Tensor, trained: Tensor, signals: Signals, progress: float) -> None:
            self.last[indices] = torch.where(trained, signals.loss, self.last[indices])

        def judge(self, candidates: Candidates) -> Tensor:
            return self.last[candidates.indices] > 2

    return Older


def test_a_rule_with_the_old_names_still_works() -> None:
    with pytest.warns(DeprecationWarning) as caught:
        rule = older()()
    told = [str(warning.message).partition(";")[0] for warning in caught]
    assert told == [
        "Older.remember is called Older.update_history now",
        "Older.judge is called Older.score now",
    ]
    assert {warning.filename for warning in caught} == {__file__}
    rule.begin(4, seed=0, device=CPU)
    assert show(rule, [1, 1, 1, 1], loss=[1.0, 2.0, 3.0, 4.0]).tolist() == [False, False, True, True]
    half = torch.full((4,), 0.5)
    signals = Signals(half * 8, half, half, half, half > 0, half)
    with pytest.warns(DeprecationWarning, match=r"^HistoryRule.hear is called HistoryRule.update now"):
        rule.hear(torch.arange(4), torch.tensor([2, 1, 1, 1], dtype=torch.int32), signals, 0.5)
    assert rule.last.tolist() == [4.0, 2.0, 3.0, 4.0]  # type: ignore[attr-defined]


def test_old_names_in_a_subclass_of_a_bundled_rule_reach_what_they_override() -> None:
    with pytest.warns(DeprecationWarning, match=r"^Halved\.") as caught:

        class Halved(UCB):
            heard = 0

            def hear(self, indices: Tensor, visits: Tensor, signals: Signals, progress: float) -> None:
                self.heard += 1
                super().hear(indices, visits, signals, progress)

            def remember(self, indices: Tensor, trained: Tensor, signals: Signals, progress: float) -> None:
                super().remember(indices, trained, signals, progress)
                self.mean[indices] /= 2

            def judge(self, candidates: Candidates) -> Tensor:
                return ~super().judge(candidates)

    assert len(caught) == 3
    rule = Halved()
    rule.begin(4, seed=0, device=CPU)
    with pytest.warns(DeprecationWarning, match=r"^HistoryRule\.") as caught:
        chosen = show(rule, [1, 1, 1, 1], loss=[1.0, 2.0, 3.0, 4.0])
    assert len(caught) == 3
    assert chosen.tolist() == [True, True, False, False]
    assert (rule.heard, rule.mean.tolist()) == (1, [0.5, 1.0, 1.5, 2.0])
