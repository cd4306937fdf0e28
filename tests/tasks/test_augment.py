import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from data_select_gym.tasks.images.augment import FlipCrop, ResizedCrop


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_images(count: int, height: int = 8, width: int = 6) -> Tensor:
    return torch.randint(256, (count, 3, height, width), dtype=torch.uint8, generator=generator(1))


# The line 0 1 2 padded by reflection with two pixels is 2 1 0 1 2 1 0: its five windows of three.
WINDOWS = [(2, 1, 0), (1, 0, 1), (0, 1, 2), (1, 2, 1), (2, 1, 0)]


def test_columns_by_hand() -> None:
    images = torch.tensor([0, 1, 2]).expand(400, 1, 3, 3)
    outputs = FlipCrop(padding=2)(images, generator())
    assert (outputs == outputs[:, :, :1]).all()
    flipped = [window[::-1] for window in WINDOWS]
    assert {tuple(line.tolist()) for line in outputs[:, 0, 0]} == {*WINDOWS, *flipped}


def test_rows_by_hand_are_never_flipped() -> None:
    # The line 0 1 5 padded with one pixel is 1 0 1 5 1; upside down, 5 1 0 would appear.
    images = torch.tensor([0, 1, 5])[:, None].expand(400, 1, 3, 3)
    outputs = FlipCrop(padding=1)(images, generator())
    assert (outputs == outputs[:, :, :, :1]).all()
    assert {tuple(line.tolist()) for line in outputs[:, 0, :, 0]} == {(1, 0, 1), (0, 1, 5), (1, 5, 1)}


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_each_output_is_a_window_of_the_padded_image_flipped_or_not(dtype: torch.dtype) -> None:
    images = random_images(1000).to(dtype)
    before = images.clone()
    outputs = FlipCrop(padding=2)(images, generator())
    assert outputs.dtype == dtype and outputs.shape == images.shape
    assert torch.equal(images, before)
    padded = F.pad(images.float(), (2, 2, 2, 2), mode="reflect").to(dtype)
    counts = torch.zeros(5, 5, 2)
    for top in range(5):
        for left in range(5):
            window = padded[:, :, top : top + 8, left : left + 6]
            for flip, candidate in enumerate([window, window.flip(3)]):
                counts[top, left, flip] = (outputs == candidate).flatten(1).all(dim=1).sum()
    assert counts.sum() == 1000
    # 20 are expected in each of the 50 cells, so that each shift comes with and without a flip.
    assert counts.min() >= 5 and counts.max() <= 40


def test_no_padding_only_flips() -> None:
    images = random_images(200)
    outputs = FlipCrop(padding=0)(images, generator())
    kept = (outputs == images).flatten(1).all(dim=1)
    assert 60 < kept.sum() < 140
    assert torch.equal(outputs[~kept], images[~kept].flip(3))


def test_all_randomness_comes_from_the_generator() -> None:
    images = random_images(50)
    state = torch.get_rng_state()
    first = FlipCrop()(images, generator(3))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(FlipCrop()(images, generator(3)), first)
    assert not torch.equal(FlipCrop()(images, generator(4)), first)


def test_padding_is_checked() -> None:
    with pytest.raises(ValueError, match=r"padding=-1 is not a whole number of at least 0"):
        FlipCrop(padding=-1)
    with pytest.raises(ValueError, match=r"padding=6 does not fit images of shape \(2, 3, 8, 6\)"):
        FlipCrop(padding=6)(random_images(2), generator())
    with pytest.raises(ValueError, match=r"padding=4 does not fit images of shape \(2, 9\)"):
        FlipCrop()(torch.zeros(2, 9), generator())


def ramp(count: int, size: int = 32) -> Tensor:
    """Images whose first channel is the column of a pixel and whose second is its row."""
    line = torch.arange(size, dtype=torch.float32)
    return torch.stack([line.expand(size, size), line[:, None].expand(size, size)]).expand(count, 2, size, size)


def test_a_crop_of_a_ramp_is_a_ramp_over_a_part_of_the_stated_area_and_ratio() -> None:
    area, ratio = 0.2, 1.5
    outputs = ResizedCrop(area=area, ratio=ratio)(ramp(4000), generator())
    # Pixels at the middle, where no border is in the way: neighbours differ by the scale of the crop.
    width, height = outputs[:, 0, 16, 16] - outputs[:, 0, 16, 15], outputs[:, 1, 16, 16] - outputs[:, 1, 15, 16]
    flipped = width < 0
    assert 0.45 < flipped.float().mean() < 0.55
    width = width.abs()
    assert height.min() > 0
    areas, ratios = width * height, width / height
    assert area - 1e-3 < areas.min() < area + 0.01 and 0.99 < areas.max() < 1 + 1e-3
    assert torch.histc(areas, 8, area, 1).min() > 400  # 500 are expected in each
    assert 1 / ratio - 1e-3 < ratios.min() < 1 / ratio + 0.02 and ratio - 0.02 < ratios.max() < ratio + 1e-3
    # A part of 0.9 of the area can be no wider than 1 / 0.9 of its height.
    assert ((ratios.log().abs() + areas.log()) < 1e-3).all()
    assert ratios.log().mean().abs() < 0.02
    # The middle of a part of width w lies anywhere in [w / 2, 1 - w / 2], and so does its place in that range.
    middle = (outputs[:, 0, 16, 15:17].mean(dim=1) + 0.5) / 32
    narrow = width < 0.9
    place = ((middle - width / 2) / (1 - width))[narrow]
    assert place.min() > -1e-2 and place.max() < 1.01
    assert torch.histc(place, 4, 0, 1).min() > 0.2 * len(place)
    assert outputs.min() >= 0 and outputs.max() <= 31


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_a_crop_of_everything_only_flips(dtype: torch.dtype) -> None:
    images = random_images(200).to(dtype)
    outputs = ResizedCrop(area=1.0)(images, generator())
    assert outputs.dtype == dtype and outputs.shape == images.shape
    kept = (outputs.float() - images.float()).abs().flatten(1).amax(dim=1) < 0.01
    assert 60 < kept.sum() < 140
    assert (outputs[~kept].float() - images[~kept].flip(3).float()).abs().max() < 0.01


def test_a_crop_of_whole_numbers_is_the_rounded_crop_of_real_ones() -> None:
    images = random_images(50)
    before = images.clone()
    outputs = ResizedCrop()(images, generator(2))
    assert torch.equal(images, before)
    assert torch.equal(outputs, ResizedCrop()(images.float(), generator(2)).round().to(torch.uint8))
    assert not torch.equal(outputs, images)


def test_all_randomness_of_a_crop_comes_from_the_generator() -> None:
    images = random_images(20)
    state = torch.get_rng_state()
    first = ResizedCrop()(images, generator(3))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(ResizedCrop()(images, generator(3)), first)
    assert not torch.equal(ResizedCrop()(images, generator(4)), first)


def test_the_values_of_a_crop_are_checked() -> None:
    with pytest.raises(ValueError, match=r"area=0 is not a number in \(0, 1\]"):
        ResizedCrop(area=0)
    with pytest.raises(ValueError, match=r"ratio=0\.5 is not a number of at least 1"):
        ResizedCrop(ratio=0.5)
    with pytest.raises(ValueError, match=r"images are of shape \(3, 8, 8\); \(n, C, H, W\) is needed"):
        ResizedCrop()(torch.zeros(3, 8, 8), generator())
