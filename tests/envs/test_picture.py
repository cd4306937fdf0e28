from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from data_select_gym.envs.render import (
    COLORS,
    FAINT,
    PANELS,
    PANELS_ABOVE_IMAGES,
    QUALITY_COLOR,
    SHADE,
    Box,
    LastPool,
    loss_ticks,
    read_strips,
    tile,
)

from ..tiers import slow
from .rendered_runs import SHAPE, NoisyImages, P, digits, images, make_env, mask, moments, table


def places(picture: NDArray[np.uint8], box: Box, color: str) -> NDArray[np.float64]:
    """Where in a box the pixels of a color are, ``(n, 2)``: as shares of its height, from below, and width."""
    left, top, width, height = box
    same = picture[top : top + height, left : left + width] == np.frombuffer(bytes.fromhex(color[1:]), np.uint8)
    rows, columns = same.all(2).nonzero()
    return np.stack([1 - (rows + 0.5) / height, (columns + 0.5) / width], axis=1)


def bars(picture: NDArray[np.uint8], box: Box, color: str) -> int:
    """How many pixels of a histogram are of a color, the names of the groups left out."""
    return int((places(picture, box, color)[:, 0] < 0.75).sum())


@pytest.mark.parametrize(("make", "boxes"), [(table, PANELS), slow(images, PANELS_ABOVE_IMAGES)])
def test_histogram_shows_the_kept_share_in_its_color(make: Any, boxes: list[Box]) -> None:
    shares = []
    for kept in [0, 8, 24, P]:
        env = make()
        env.reset(seed=0)
        assert bars(env.render(), boxes[0], COLORS["candidates"]) > 100
        env.step(mask(env, kept))
        picture = env.render()
        of_kept, of_dropped = (bars(picture, boxes[0], COLORS[name]) for name in ("kept", "dropped"))
        assert bars(picture, boxes[0], COLORS["candidates"]) == 0
        shares.append(of_kept / (of_kept + of_dropped))
    assert shares[0] == 0
    assert shares[-1] == 1
    # The edges of bars are blended.
    assert shares[1:3] == pytest.approx([0.25, 0.75], abs=0.1)


@pytest.mark.parametrize(("make", "boxes"), [(table, PANELS), (images, PANELS_ABOVE_IMAGES)])
def test_curves_are_where_they_belong(make: Any, boxes: list[Box]) -> None:
    env = make(keep_ratio=0.75)
    for _ in moments(env, 8):
        picture = env.render()
    heights, progress = places(picture, boxes[1], COLORS["kept"]).T
    # A quarter is kept from the end of the first to the start of the last of four epochs, on an axis of -0.03 to 1.05.
    assert heights * 1.08 - 0.03 == pytest.approx(np.full(len(heights), 0.25), abs=0.02)
    assert [progress.min(), progress.max()] == pytest.approx([0.25, 0.75], abs=0.02)
    heights, progress = places(picture, boxes[1], FAINT).T
    dashes = progress[abs(heights * 1.08 - 0.03 - 0.75) < 0.02]
    assert [dashes.min(), dashes.max()] == pytest.approx([0, 1], abs=0.02)
    _, progress = places(picture, boxes[2], QUALITY_COLOR).T
    assert [progress.min(), progress.max()] == pytest.approx([0.25, 1], abs=0.03)
    _, progress = places(picture, boxes[2], SHADE).T
    assert ((progress < 0.26) | (progress > 0.74)).all()


def test_groups_are_the_last_pool_and_what_was_kept_of_it() -> None:
    env = table()
    env.reset(seed=0)
    pool, losses = env.run.pool.numpy(), env.signals.loss.numpy()
    before = LastPool.of(env)
    env.step(mask(env, 10))
    after = LastPool.of(env)
    for seen in (before, after):
        assert np.array_equal(seen.indices, pool)
        assert np.array_equal(seen.losses, losses)
    assert before.groups["candidates"].all()
    assert np.array_equal(after.groups["kept"], mask(env, 10))
    assert np.array_equal(after.groups["dropped"], 1 - mask(env, 10))
    order = after.hardest("dropped", 5)
    assert order == pool[10:][np.argsort(losses[10:])[::-1][:5]].tolist()
    assert sorted(before.hardest("candidates", 99)) == sorted(pool)


def test_only_the_samples_that_are_shown_are_read() -> None:
    train = NoisyImages()
    env = make_env(train, 162)
    env.reset(seed=0)
    env.step(mask(env, 10))
    train.read.clear()
    pool = LastPool.of(env)
    env.render()
    assert train.read == pool.hardest("kept", 10) + pool.hardest("dropped", 12)


def test_images_are_in_the_picture_with_the_highest_loss_first() -> None:
    env = digits("rgb_array")
    env.reset(seed=0)
    shown = []
    for _ in range(2):
        pool, picture = LastPool.of(env), env.render()
        strips = read_strips(env, pool)
        shown.append({name: len(strip) for name, strip in strips.items()})
        for row, (name, strip) in enumerate(strips.items()):
            for place, (index, small) in enumerate(zip(pool.hardest(name, len(strip)), strip, strict=True)):
                scan = env.task.train[index][0][0]
                assert np.array_equal(small[::8, ::8, 0], (scan / scan.max() * 255).round().numpy())
                left, top = 64 + 73 * (place % 12), 386 + 76 * (row + place // 12)
                assert np.array_equal(picture[top : top + 64, left : left + 64], small)
        env.step(mask(env, 5))
    assert shown == [{"candidates": 24}, {"kept": 5, "dropped": 12}]


@pytest.mark.parametrize("shape", [(9,), (6, 9), (2, 6, 9), (1, 3, 6, 9)])
def test_inputs_that_are_no_images_are_left_out(shape: tuple[int, ...]) -> None:
    env = make_env(NoisyImages(shape), int(np.prod(shape)))
    env.reset(seed=0)
    assert read_strips(env, LastPool.of(env)) == {}
    assert env.render().shape == SHAPE


@settings(deadline=None, max_examples=50)
@given(
    st.sampled_from([1, 3]),
    st.integers(1, 200),
    st.integers(1, 200),
    st.sampled_from([torch.uint8, torch.float32, torch.bfloat16, torch.bool]),
    st.integers(0, 2**31),
)
def test_tile_fits_its_place_and_uses_the_full_range(
    channels: int, height: int, width: int, kind: torch.dtype, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(256, (channels, height, width), generator=generator).to(kind)
    small = tile(image)
    assert small.dtype == np.uint8
    assert small.ndim == 3 and small.shape[2] == 3
    assert 32 <= max(small.shape[:2]) <= 64
    if max(height, width) <= 64 and image.float().min() < image.float().max():
        assert small.min() == 0
        assert small.max() == 255


def test_tile_of_an_image_without_contrast_or_with_values_that_are_not_finite_is_drawn() -> None:
    assert not tile(torch.full((1, 4, 4), 3.5)).any()
    broken = torch.zeros(3, 4, 4)
    broken[0, 0, 0], broken[1, 0, 0] = torch.nan, torch.inf
    assert tile(broken).max() == 255


@given(st.floats(-90, 90), st.floats(0.01, 180))
def test_loss_ticks_are_few_ascending_and_in_view(low: float, width: float) -> None:
    ticks = loss_ticks(low, low + width)
    positions = np.arcsinh(np.array(ticks) / 1e-4)
    assert len(ticks) <= 6
    assert (np.diff(positions) > 0).all()
    assert ((positions >= low - 1e-9) & (positions <= low + width + 1e-9)).all()


def test_loss_ticks_by_hand() -> None:
    around = np.arcsinh(np.array([-0.02, 0.5]) / 1e-4)
    assert loss_ticks(*around) == pytest.approx([-0.01, -0.001, 0, 0.001, 0.01, 0.1])


@pytest.mark.filterwarnings("ignore:.*minibatches are skipped:RuntimeWarning")
@pytest.mark.parametrize("rate", [0.1, 1e38])
def test_losses_never_seen_and_a_diverged_model_are_drawn(rate: float) -> None:
    env = table(warmup_epochs=0, rate=rate, on_non_finite="skip")
    env.reset(seed=0)
    assert env.signals.loss.isinf().all()
    assert env.render().shape == SHAPE
    for _ in range(env.plan.selection_pools):
        env.step(mask(env, P))
    assert (env.run.skipped > 0) == (rate == 1e38)
    assert env.render().shape == SHAPE
