import random
import re
import sys
import warnings
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import gymnasium as gym
import matplotlib
import numpy as np
import pytest
import torch
from gymnasium.error import DependencyNotInstalled, ResetNeeded
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset, TensorDataset

import data_select_gym  # noqa: F401
from data_select_gym.envs import DataSelectEnv
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
from data_select_gym.tasks import Classification, Recipe, Task

SHAPE = (540, 960, 3)
P = 32
# As a formula it could not be drawn.
NAME = r"A $\frac$ toy"


class NoisyImages(Dataset[Any]):
    """Images in which every read changes a pixel by the global generators; it notes what is read."""

    def __init__(self, shape: tuple[int, ...] = (3, 6, 9)) -> None:
        generator = torch.Generator().manual_seed(0)
        self.images = torch.rand(160, *shape, generator=generator)
        self.read: list[int] = []

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        self.read.append(index)
        image = self.images[index].clone()
        image.flatten()[0] = torch.rand(()) + random.random() + np.random.rand()
        return image, index % 4


def make_env(
    train: Dataset[Any], features: int, *, rate: float = 0.1, mode: str | None = "rgb_array", **options: Any
) -> DataSelectEnv:
    task = Task(
        name=NAME,
        train=train,
        validation=train,
        make_model=lambda: nn.Sequential(nn.Flatten(), nn.Linear(features, 4)),
        objective=Classification(),
        recipe=Recipe(4, 8, partial(torch.optim.SGD, lr=rate)),
    )
    return DataSelectEnv(task, render_mode=mode, pool_size=P, device="cpu", **options)


def table(**options: Any) -> DataSelectEnv:
    inputs = torch.randn(160, 5, generator=torch.Generator().manual_seed(0))
    return make_env(TensorDataset(inputs, inputs.argmax(1).clamp_max(3)), 5, **options)


def images(**options: Any) -> DataSelectEnv:
    return make_env(NoisyImages(), 162, **options)


def digits(mode: str, **options: Any) -> DataSelectEnv:
    return DataSelectEnv("digits", epochs=3, render_mode=mode, device="cpu", **options)


def mask(env: DataSelectEnv, kept: int) -> NDArray[np.int8]:
    return (np.arange(env.plan.pool_size) < kept).astype(np.int8)


def moments(env: DataSelectEnv, kept: int) -> Iterator[str]:
    """Walk through a run: at its reset, after half of its steps, at its end."""
    env.reset(seed=0)
    yield "reset"
    for number in range(env.plan.selection_pools):
        env.step(mask(env, kept))
        if number == env.plan.selection_pools // 2:
            yield "middle"
    yield "end"


def places(picture: NDArray[np.uint8], box: Box, color: str) -> NDArray[np.float64]:
    """Where in a box the pixels of a color are, ``(n, 2)``: as shares of its height, from below, and width."""
    left, top, width, height = box
    same = picture[top : top + height, left : left + width] == np.frombuffer(bytes.fromhex(color[1:]), np.uint8)
    rows, columns = same.all(2).nonzero()
    return np.stack([1 - (rows + 0.5) / height, (columns + 0.5) / width], axis=1)


def bars(picture: NDArray[np.uint8], box: Box, color: str) -> int:
    """How many pixels of a histogram are of a color, the names of the groups left out."""
    return int((places(picture, box, color)[:, 0] < 0.75).sum())


def global_states() -> tuple[Any, ...]:
    name, keys, *rest = np.random.get_state()
    return random.getstate(), name, tuple(keys), tuple(rest), tuple(torch.get_rng_state().tolist())


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("make", [partial(digits, "rgb_array"), table, images])
@pytest.mark.parametrize("kept", [0, 10, None])
def test_picture_is_of_one_size_and_changes_as_the_run_goes_on(make: Any, kept: int | None) -> None:
    env = make()
    pictures = []
    for _ in moments(env, env.plan.pool_size if kept is None else kept):
        picture = env.render()
        assert picture.shape == SHAPE
        assert picture.dtype == np.uint8
        assert picture.flags.owndata and picture.flags.writeable and picture.flags.c_contiguous
        pictures.append(picture)
    assert not any(np.array_equal(one, other) for one, other in pairwise(pictures))


def test_each_call_gives_a_new_array_of_the_same_picture() -> None:
    env = images()
    for _ in moments(env, 10):
        first = env.render()
        copy = first.copy()
        first[:] = 0
        assert np.array_equal(env.render(), copy)


def test_line_says_what_is_known_so_far() -> None:
    env = digits("ansi")
    lines = {moment: env.render() for moment in moments(env, 32)}
    number = r"\d\.\d{3}"
    known = rf"kept 0\.25 of 128, cost 0\.\d\d, train loss {number}, val accuracy {number}, mean reward -?{number}"
    assert re.fullmatch(rf"Digits: epoch 1/3, cost 0\.33, val accuracy {number}", lines["reset"])
    assert re.fullmatch(rf"Digits: epoch 1/3, {known}", lines["middle"])
    assert re.fullmatch(rf"Digits: epoch 3/3, {known}", lines["end"])
    assert env.record is not None
    accuracy, reward = env.run.evaluations[-1].validation["accuracy"], env.episode_return / env.plan.selection_pools
    assert f"cost {env.run.cost:.2f}, train loss {env.record.train_loss.item():.3f}" in lines["end"]
    assert lines["end"].endswith(f"val accuracy {accuracy:.3f}, mean reward {reward:.3f}")


def test_line_leaves_the_loss_out_where_nothing_was_trained_and_the_quality_where_nothing_was_evaluated() -> None:
    env = table(mode="ansi", warmup_epochs=0)
    env.reset(seed=0)
    assert env.render() == f"{NAME}: epoch 0/4, cost 0.00"
    env.step(mask(env, 0))
    assert env.render() == f"{NAME}: epoch 0/4, kept 0.00 of 32, cost 0.00, mean reward 0.000"


def test_shortened_run_ends_at_its_own_number_of_epochs() -> None:
    env = digits("ansi", length=0.75)
    for _ in moments(env, 10):
        pass
    assert env.run.done
    assert env.render().startswith("Digits: epoch 2/2.2, ")


@pytest.mark.parametrize(("make", "boxes"), [(table, PANELS), (images, PANELS_ABOVE_IMAGES)])
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


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("rate", [0.1, 1e38])
def test_losses_never_seen_and_a_diverged_model_are_drawn(rate: float) -> None:
    env = table(warmup_epochs=0, rate=rate)
    env.reset(seed=0)
    assert env.signals.loss.isinf().all()
    assert env.render().shape == SHAPE
    for _ in range(env.plan.selection_pools):
        env.step(mask(env, P))
    assert bool(env.signals.loss.isfinite().all()) == (rate == 0.1)
    assert env.render().shape == SHAPE


def play(make: Any, modes: list[str]) -> list[Any]:
    """Everything of a run that could be disturbed; the global generators are compared here."""
    env = make(mode=None)
    trace = [env.reset(seed=0)[0]]
    while not env.run.done:
        for env.render_mode in modes:
            before = global_states()
            env.render()
            assert global_states() == before
        observation, reward, *_ = env.step(mask(env, 10))
        trace += [observation, reward, env.run.cost]
    return trace + [value.numpy() for value in env.run.model.state_dict().values()]


@pytest.mark.parametrize("make", [table, images])
def test_rendering_disturbs_neither_the_run_nor_the_global_generators(make: Any) -> None:
    with_pictures, without = play(make, ["rgb_array", "ansi"]), play(make, [])
    assert all(np.array_equal(one, other) for one, other in zip(with_pictures, without, strict=True))


def test_drawing_needs_no_pyplot_and_leaves_the_settings_of_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    before = matplotlib.rcParams.copy()
    env = table()
    env.reset(seed=0)
    assert env.render().shape == SHAPE
    assert matplotlib.rcParams.copy() == before


def test_missing_matplotlib_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    env = table()
    env.reset(seed=0)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(DependencyNotInstalled, match="pip install matplotlib"):
        env.render()


@pytest.mark.parametrize("mode", ["rgb_array", "ansi"])
def test_rendering_before_reset_is_an_error(mode: str) -> None:
    with pytest.raises(ResetNeeded, match="reset"):
        table(mode=mode).render()


def test_video_of_a_run_is_recorded(tmp_path: Path) -> None:
    pytest.importorskip("moviepy")
    folder = tmp_path / "videos"
    made = gym.make("DataSelect/Digits-v0", epochs=3, pool_size=256, render_mode="rgb_array")
    env = gym.wrappers.RecordVideo(made, str(folder), episode_trigger=lambda number: number == 0, disable_logger=True)
    env.reset(seed=0)
    done = False
    while not done:
        *_, done, _, _ = env.step(np.ones(256, dtype=np.int8))
    env.close()  # type: ignore[no-untyped-call]
    (video,) = folder.glob("*.mp4")
    assert video.read_bytes()[4:8] == b"ftyp"


@pytest.mark.parametrize("mode", ["rgb_array", "ansi"])
def test_environment_checker_is_content(mode: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gym.make("DataSelect/Digits-v0", epochs=3, render_mode=mode).unwrapped)
