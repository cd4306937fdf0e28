import numpy as np
import pytest

from data_select_gym.agents import make_policy
from data_select_gym.envs import as_base_env
from data_select_gym.experiments.compare import loss_quantiles, run_one
from data_select_gym.experiments.results import RunRecord
from data_select_gym.experiments.run_key import RunKey


def recorded(policy: str, **options: float) -> RunRecord:
    env = as_base_env("DataSelect/Digits-v0", epochs=3, keep_ratio=0.25, device="cpu", **options)
    return run_one(RunKey("mine", 0.25, 0), make_policy(policy), env)


def test_a_run_of_a_comparison_tells_of_labels_and_losses() -> None:
    run = recorded("top-loss", label_noise=0.4)
    assert (run.policy, run.keep_ratio, run.keep_fractions) == ("mine", 0.25, [0.25] * 10)
    assert len(run.mislabelled) == 10
    assert run.result.mislabelled == pytest.approx(np.mean(run.mislabelled))
    # The quarter with the highest losses: none below the tenth that begins at 0.7, half of what is in that one.
    for third in run.kept_by_loss:
        assert third[:7] == [0] * 7 and sum(third) == pytest.approx(1)
        assert third[7:] == pytest.approx([0.2, 0.4, 0.4], abs=0.05)
    assert len(run.final_losses) == 21 and run.final_losses == sorted(run.final_losses)
    assert all(type(value) is float for value in [*run.final_losses, *run.mislabelled, *run.kept_by_loss[0]])


def test_no_share_mislabelled_is_told_where_the_true_labels_are_not_known() -> None:
    assert recorded("random").mislabelled == []


def test_quantiles_are_those_of_the_finite_losses_on_record() -> None:
    env = as_base_env("DataSelect/Digits-v0", epochs=3, device="cpu")
    env.reset(seed=0)
    losses = env.run.ledger.columns["loss"]
    losses.fill_(np.inf)
    assert loss_quantiles(env.run) == []
    losses[100:141] = losses.new_tensor(range(41)) / 4
    losses[0] = np.nan
    assert loss_quantiles(env.run) == pytest.approx([number / 2 for number in range(21)])
