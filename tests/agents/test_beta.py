from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from stable_baselines3 import A2C, PPO
from torch import Tensor, nn

from data_select_gym.agents import BetaDistribution, BetaPolicy
from data_select_gym.envs import SamplewiseVecEnv
from data_select_gym.rewards import StepOutcome, scaled_loss

ROWS = spaces.Box(-np.inf, np.inf, (5,), dtype=np.float32)
SCORE = spaces.Box(0.0, 1.0, (1,), dtype=np.float32)


def policy(action_space: spaces.Space[Any] = SCORE, **options: Any) -> BetaPolicy:
    return BetaPolicy(ROWS, action_space, lambda _: 1e-3, **options)


def rows(count: int, seed: int = 0) -> Tensor:
    return torch.randn(count, 5, generator=torch.Generator().manual_seed(seed))


def slots(**options: Any) -> SamplewiseVecEnv:
    return SamplewiseVecEnv("DataSelect/Digits-v0", action="score", epochs=3, pool_size=32, batch_size=32, **options)


def shape(distribution: BetaDistribution) -> tuple[Tensor, Tensor]:
    return distribution.distribution.concentration1, distribution.distribution.concentration0


def softplus(value: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.log1p(np.exp(value))


# The distribution


def test_alpha_and_beta_are_softplus_plus_one() -> None:
    parameters = torch.tensor([[-3.0, 0.0, 2.0, 5.0]])
    alpha, beta = shape(BetaDistribution(2).proba_distribution(parameters))
    assert alpha[0].numpy() == pytest.approx(softplus(np.array([-3.0, 0.0])) + 1)
    assert beta[0].numpy() == pytest.approx(softplus(np.array([2.0, 5.0])) + 1)


@settings(deadline=None)
@given(
    parameters=st.lists(st.floats(-10, 20), min_size=4, max_size=4),
    actions=st.lists(st.floats(0.01, 0.99), min_size=2, max_size=2),
)
def test_log_density_and_entropy_are_those_of_independent_betas(parameters: list[float], actions: list[float]) -> None:
    given_parameters = np.array(parameters)
    alpha, beta = np.split(softplus(given_parameters) + 1, 2)
    distribution = BetaDistribution(2).proba_distribution(torch.tensor([parameters], dtype=torch.float64))
    expected = stats.beta(alpha, beta)
    density = distribution.log_prob(torch.tensor([actions], dtype=torch.float64))
    assert density.shape == (1,)
    assert density.item() == pytest.approx(expected.logpdf(actions).sum(), rel=1e-5, abs=1e-5)
    assert distribution.entropy().item() == pytest.approx(expected.entropy().sum(), rel=1e-5, abs=1e-5)


@settings(deadline=None)
@given(parameters=st.lists(st.floats(-30, 200), min_size=2, max_size=2), action=st.sampled_from([0.0, 1.0]))
def test_log_density_is_finite_at_the_ends(parameters: list[float], action: float) -> None:
    distribution = BetaDistribution(1).proba_distribution(torch.tensor([parameters]))
    assert distribution.log_prob(torch.tensor([[action]])).isfinite().all()


def test_the_deterministic_action_is_the_mean() -> None:
    parameters = torch.tensor([[6.0, -5.0], [0.0, 0.0]])
    alpha, beta = np.split(softplus(parameters.numpy()) + 1, 2, axis=1)
    action = BetaDistribution(1).actions_from_params(parameters, deterministic=True)
    assert action.numpy() == pytest.approx(alpha / (alpha + beta), rel=1e-5)
    # The mode of the first would be almost 1.
    assert action[0, 0] < 0.9


def test_samples_are_of_the_distribution_and_within_its_ends() -> None:
    torch.manual_seed(0)
    parameters = torch.tensor([[2.0, 1.0]]).repeat(4000, 1)
    alpha, beta = softplus(np.array([2.0, 1.0])) + 1
    drawn = BetaDistribution(1).actions_from_params(parameters)
    assert stats.kstest(drawn[:, 0].numpy(), stats.beta(alpha, beta).cdf).pvalue > 1e-3
    for parameters, end in ((torch.tensor([[1e8, -30.0]]), 1.0), (torch.tensor([[-30.0, 1e8]]), 0.0)):
        narrow = BetaDistribution(1).actions_from_params(parameters)
        # The density is not finite at the ends themselves.
        assert 5e-7 < abs(narrow.item() - end) < 2e-6


def test_actions_come_with_their_own_log_density() -> None:
    parameters = rows(6)[:, :4]
    distribution = BetaDistribution(2)
    actions, density = distribution.log_prob_from_params(parameters)
    again = BetaDistribution(2).proba_distribution(parameters).log_prob(actions)
    assert density.tolist() == again.tolist()


# The policy


def test_networks_are_two_layers_of_128_with_relu_and_share_nothing() -> None:
    made = policy()
    actor, critic = made.mlp_extractor.policy_net, made.mlp_extractor.value_net
    for network in (actor, critic):
        kinds = [type(layer) for layer in network]
        assert kinds == [nn.Linear, nn.ReLU, nn.Linear, nn.ReLU]
        assert [(network[place].in_features, network[place].out_features) for place in (0, 2)] == [(5, 128), (128, 128)]
    assert (made.action_net.in_features, made.action_net.out_features) == (128, 2)
    assert (made.value_net.in_features, made.value_net.out_features) == (128, 1)
    assert not {id(weight) for weight in actor.parameters()} & {id(weight) for weight in critic.parameters()}


def test_a_loss_of_the_actor_does_not_reach_the_critic() -> None:
    made = policy()
    _, density, entropy = made.evaluate_actions(rows(4), torch.full((4, 1), 0.3))
    (density.sum() + entropy.sum()).backward()
    moved = {name for name, weight in made.named_parameters() if weight.grad is not None and weight.grad.any()}
    assert moved == {
        f"{layer}.{kind}"
        for layer in ("mlp_extractor.policy_net.0", "mlp_extractor.policy_net.2", "action_net")
        for kind in ("weight", "bias")
    }


def test_the_head_is_orthogonal_with_gain_a_hundredth_so_that_first_scores_are_near_one_half() -> None:
    made = policy()
    weight = made.action_net.weight
    assert (weight @ weight.T).detach().numpy() == pytest.approx(1e-4 * np.eye(2), abs=1e-8)
    assert not made.action_net.bias.any()
    scores, _ = made.predict(rows(200).numpy(), deterministic=True)
    assert scores == pytest.approx(0.5, abs=0.02)
    alpha, beta = shape(made.get_distribution(rows(200)))
    assert torch.cat([alpha, beta]).detach().numpy() == pytest.approx(1 + np.log(2), abs=0.05)


def test_every_weight_of_the_policy_is_learned() -> None:
    made = policy()
    learned = {id(weight) for group in made.optimizer.param_groups for weight in group["params"]}
    assert learned == {id(weight) for weight in made.parameters()}
    assert "log_std" not in dict(made.named_parameters())


def test_networks_of_other_sizes_can_be_asked_for() -> None:
    made = policy(net_arch={"pi": [8], "vf": [4, 4]}, activation_fn=nn.Tanh)
    assert [type(layer) for layer in made.mlp_extractor.policy_net] == [nn.Linear, nn.Tanh]
    assert made.action_net.in_features == 8
    assert made.value_net.in_features == 4


def test_several_scores_have_one_log_density() -> None:
    made = policy(spaces.Box(0.0, 1.0, (3,), dtype=np.float32))
    actions, values, density = made(rows(7))
    assert (actions.shape, values.shape, density.shape) == ((7, 3), (7, 1), (7,))


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(-1.0, 1.0, (1,), dtype=np.float32),
        spaces.Box(0.0, 2.0, (1,), dtype=np.float32),
        spaces.Box(np.float32([0, 0]), np.float32([1, 3])),
        spaces.Discrete(2),
        spaces.MultiBinary(4),
    ],
    ids=repr,
)
def test_an_action_space_other_than_zero_to_one_is_refused(space: spaces.Space[Any]) -> None:
    with pytest.raises(ValueError, match=r"^action_space=.*not a Box from 0 to 1"):
        policy(space)


def test_state_dependent_exploration_is_refused() -> None:
    with pytest.raises(ValueError, match="use_sde=True"):
        A2C(BetaPolicy, slots(), use_sde=True, device="cpu")


@pytest.mark.parametrize(("algorithm", "options"), [(PPO, {"batch_size": 160, "n_steps": 5}), (A2C, {})])
def test_stable_baselines3_learns_with_it(algorithm: Any, options: dict[str, Any]) -> None:
    model = algorithm(BetaPolicy, slots(), seed=0, device="cpu", gamma=0.0, **options)
    before = [weight.detach().clone() for weight in model.policy.parameters()]
    model.learn(5 * 32)
    moved = [not torch.equal(old, new) for old, new in zip(before, model.policy.parameters(), strict=True)]
    assert all(moved)


@pytest.mark.slow
def test_it_learns_a_score_for_each_kind_of_sample() -> None:
    def prefer_hard(outcome: StepOutcome) -> Tensor:
        hard = scaled_loss(outcome.recorded.loss, outcome.recorded.loss) > 0.3
        return outcome.action * torch.where(hard, 1.0, -1.0)

    model = PPO(
        BetaPolicy,
        slots(features=["loss"], reward=prefer_hard, keep_ratio=1.0),
        n_steps=5,
        batch_size=160,
        learning_rate=1e-2,
        gamma=0.0,
        gae_lambda=1.0,
        seed=0,
        device="cpu",
    ).learn(60 * 32)
    easy, hard = model.predict(np.float32([[0.0], [1.0]]), deterministic=True)[0]
    assert easy < 0.3
    assert hard > 0.7


def test_a_policy_saved_and_loaded_gives_the_same_actions(tmp_path: Path) -> None:
    made = policy(net_arch={"pi": [8], "vf": [4]}, activation_fn=nn.Tanh)
    made.save(tmp_path / "policy.pt")
    loaded = BetaPolicy.load(tmp_path / "policy.pt")
    seen = rows(9).numpy()
    assert loaded.predict(seen, deterministic=True)[0].tolist() == made.predict(seen, deterministic=True)[0].tolist()
    assert loaded.predict_values(rows(9)).tolist() == made.predict_values(rows(9)).tolist()
