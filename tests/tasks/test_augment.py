import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from data_select_gym.tasks.augment import FlipCrop


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
