import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data_select_gym.training import Plan
from data_select_gym.training.pools import Pools


def epochs_of(samples: int, pool_size: int, epochs: int, seed: int) -> list[list[list[int]]]:
    plan = Plan(samples, pool_size, epochs, warmup_epochs=0, anneal_fraction=0)
    pools = Pools(plan, seed)
    return [
        [pools[epoch * plan.pools_per_epoch + place].tolist() for place in range(plan.pools_per_epoch)]
        for epoch in range(epochs)
    ]


@settings(deadline=None)
@given(st.integers(2, 50), st.integers(2, 50), st.integers(0, 2**32 - 1))
def test_an_epoch_shows_every_sample_at_most_once_and_leaves_the_remainder_out(
    samples: int, pool_size: int, seed: int
) -> None:
    pool_size = min(samples, pool_size)
    for epoch in epochs_of(samples, pool_size, 3, seed):
        shown = [index for pool in epoch for index in pool]
        assert all(len(pool) == pool_size for pool in epoch)
        assert len(set(shown)) == len(shown) == samples - samples % pool_size
        assert set(shown) <= set(range(samples))


def test_every_epoch_is_a_fresh_permutation() -> None:
    first, second, third = ([index for pool in epoch for index in pool] for epoch in epochs_of(30, 10, 3, 0))
    assert sorted(first) == sorted(second) == sorted(third) == list(range(30))
    assert first != second != third != first != list(range(30))


def test_samples_left_over_come_in_another_epoch() -> None:
    shown = [{index for pool in epoch for index in pool} for epoch in epochs_of(10, 4, 20, 0)]
    assert all(len(epoch) == 8 for epoch in shown)
    assert set.union(*shown) == set(range(10))


def test_the_order_is_that_of_the_seed() -> None:
    assert epochs_of(30, 10, 3, 5) == epochs_of(30, 10, 3, 5)
    assert epochs_of(30, 10, 3, 5) != epochs_of(30, 10, 3, 6)


def test_a_pool_may_be_asked_for_again_and_pools_may_be_passed_over() -> None:
    plan = Plan(12, 4, 5)
    read, skipped = Pools(plan, 0), Pools(plan, 0)
    expected = [read[number].tolist() for number in range(15)]
    for number in (0, 0, 4, 4, 5, 13):
        assert skipped[number].tolist() == expected[number]


def test_pools_leave_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    epochs_of(10, 5, 3, 0)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    expected = epochs_of(10, 5, 3, 0)
    torch.rand(3)
    assert epochs_of(10, 5, 3, 0) == expected
