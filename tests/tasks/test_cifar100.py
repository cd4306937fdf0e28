import pickle
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

from data_select_gym.tasks import OneCycle, WarmupDecay, make_task
from data_select_gym.tasks.images.cifar import cifar10, cifar100
from data_select_gym.tasks.images.cifar_files import CIFAR10, CIFAR100, read_cifar
from data_select_gym.tasks.images.small_image_models import Normalize

from .written_cifar import (
    Command,
    Writer,
    draw,
    encode,
    write_binary,
    write_parquet,
    write_python2,
    write_python3,
    write_rows,
)

read_cifar100 = partial(read_cifar, CIFAR100)
PARQUET = ["train-00000-of-00001.parquet"], "test-00000-of-00001.parquet", partial(write_parquet, hundred=True)
BINARY = ["train.bin"], "test.bin", partial(write_binary, hundred=True)
PYTHON2 = ["train"], "test", partial(write_python2, hundred=True)
PYTHON3 = ["train"], "test", partial(write_python3, hundred=True)
LAYOUTS: dict[str, tuple[str, list[str], str, Writer]] = {
    "parquet": (".", *PARQUET),
    "parquet in cifar100": ("cifar100", *PARQUET),
    "parquet in data": ("data", ["train-0-of-2.parquet", "train-1-of-2.parquet"], *PARQUET[1:]),
    "binary": (".", *BINARY),
    "binary archive": ("cifar-100-binary", *BINARY),
    "python 2": (".", *PYTHON2),
    "python 2 archive": ("cifar-100-python", *PYTHON2),
    "python 3": (".", *PYTHON3),
}


def write_layout(folder: Path, layout: str, count: int = 3) -> None:
    place, train, test, write = LAYOUTS[layout]
    (folder / place).mkdir(exist_ok=True)
    for seed, name in enumerate([test, *train]):
        write(folder / place / name, *draw(count, seed, 100))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_reads_fine_labels_of_each_layout_in_order(tmp_path: Path, layout: str) -> None:
    write_layout(tmp_path, layout)
    (images, labels), (test_images, test_labels) = read_cifar100(tmp_path)
    drawn = [draw(3, seed, 100) for seed in range(1, 1 + len(LAYOUTS[layout][1]))]
    assert images.dtype == test_images.dtype == torch.uint8
    assert labels.dtype == test_labels.dtype == torch.int64
    assert np.array_equal(images.numpy(), np.concatenate([pixels for pixels, _ in drawn]))
    assert labels.tolist() == [label for _, some in drawn for label in some]
    assert np.array_equal(test_images.numpy(), draw(3, 0, 100)[0])
    assert test_labels.tolist() == draw(3, 0, 100)[1]


def test_a_binary_record_is_coarse_label_then_fine_label_then_pixels_of_a_channel_after_another(tmp_path: Path) -> None:
    for name in ["train.bin", "test.bin"]:
        (tmp_path / name).write_bytes(bytes([19, 99]) + b"".join(bytes([value]) * 1024 for value in (10, 20, 30)))
    (images, labels), _ = read_cifar100(tmp_path)
    assert labels.tolist() == [99]
    assert [images[0, channel].unique().tolist() for channel in range(3)] == [[10], [20], [30]]


@pytest.mark.parametrize("layout", ["parquet", "binary", "python 2"])
def test_the_largest_label_is_99_and_a_file_holds_an_image(tmp_path: Path, layout: str) -> None:
    write_layout(tmp_path, layout)
    _, train, test, write = LAYOUTS[layout]
    images, _ = draw(3, 5)
    write(tmp_path / train[0], images, [0, 99, 7])
    assert read_cifar100(tmp_path)[0][1].tolist() == [0, 99, 7]
    write(tmp_path / train[0], images, [0, 100, 7])
    with pytest.raises(ValueError, match=rf"{train[0]}: label 100 is not in 0 to 99"):
        read_cifar100(tmp_path)
    write_layout(tmp_path, layout)
    write(tmp_path / test, images[:0], [])
    with pytest.raises(ValueError, match=rf"{test} holds no images"):
        read_cifar100(tmp_path)


def test_folders_without_the_files_are_named_with_what_is_looked_for(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"data_dir='.*absent' is not a folder"):
        read_cifar100(tmp_path / "absent")
    looked_for = (
        r"holds no CIFAR-100 files; looked for parquet: train-\*\.parquet and test-\*\.parquet \(here or in cifar100/ "
        r"or data/\); binary: train\.bin and test\.bin \(here or in cifar-100-binary/\); "
        r"python: train and test \(here or in cifar-100-python/\)\. CIFAR-100 is available from "
    )
    (tmp_path / "train").mkdir()
    with pytest.raises(FileNotFoundError, match=looked_for):
        read_cifar100(tmp_path)


@pytest.mark.parametrize(
    ("layout", "lost", "error"),
    [
        ("binary archive", "test.bin", r"cifar-100-binary has train\.bin but not test\.bin"),
        ("python 2", "train", r"has test but not train"),
        ("parquet in data", "train-1-of-2.parquet", r"has 1 files train-\*\.parquet, not as many as train-0-of-2"),
    ],
)
def test_a_missing_file_is_named(tmp_path: Path, layout: str, lost: str, error: str) -> None:
    write_layout(tmp_path, layout)
    (tmp_path / LAYOUTS[layout][0] / lost).unlink()
    with pytest.raises(FileNotFoundError, match=error):
        read_cifar100(tmp_path)


@pytest.mark.parametrize("layout", ["parquet", "python 2", "python 3"])
@pytest.mark.parametrize("keep", [0, 60, 5000, -1])
def test_a_cut_file_is_named(tmp_path: Path, layout: str, keep: int) -> None:
    write_layout(tmp_path, layout)
    name = LAYOUTS[layout][1][0]
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:keep])
    kind = "a readable parquet file" if layout == "parquet" else "a pickle of CIFAR-100's Python version"
    with pytest.raises(ValueError, match=rf"{name} is not {kind}: "):
        read_cifar100(tmp_path)


@pytest.mark.parametrize("size", [1, 3074 * 3 - 1, 3073 * 3])
def test_a_cut_binary_file_is_named_with_the_size_of_a_record(tmp_path: Path, size: int) -> None:
    write_layout(tmp_path, "binary")
    (tmp_path / "train.bin").write_bytes(bytes(size))
    with pytest.raises(ValueError, match=rf"train\.bin is truncated: its {size} bytes are not whole records of 3074 "):
        read_cifar100(tmp_path)


def test_wrong_columns_are_named(tmp_path: Path) -> None:
    write_layout(tmp_path, "parquet")
    path = tmp_path / "train-00000-of-00001.parquet"
    good = encode(draw(1, 0)[0][0])
    write_rows(path, [good], coarse_label=[1])
    with pytest.raises(ValueError, match=r"parquet has no column 'fine_label'; it has: img, coarse_label"):
        read_cifar100(tmp_path)
    write_rows(path, [good], fine_label=["cat"])
    with pytest.raises(ValueError, match=r"parquet: column 'fine_label' is string; integers are needed"):
        read_cifar100(tmp_path)
    write_rows(path, [good, good], fine_label=[1, None])
    with pytest.raises(ValueError, match=r"parquet: column 'fine_label' has gaps"):
        read_cifar100(tmp_path)
    write_rows(path, [good, b"no image"], fine_label=[1, 2])
    with pytest.raises(ValueError, match=r"parquet, row 1: the image cannot be decoded"):
        read_cifar100(tmp_path)


def test_gaps_in_coarse_labels_do_not_matter(tmp_path: Path) -> None:
    good = encode(draw(1, 0)[0][0])
    for name in ["train-0.parquet", "test-0.parquet"]:
        write_rows(tmp_path / name, [good, good], fine_label=[42, 7], coarse_label=[None, 99])
    assert read_cifar100(tmp_path)[0][1].tolist() == [42, 7]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ({b"labels": [1]}, r"does not hold a dict with b'data' and b'fine_labels'"),
        ({b"coarse_labels": [1]}, r"does not hold a dict with b'data' and b'fine_labels'"),
        ({b"fine_labels": [1, 2]}, r"b'fine_labels' is not a list of 1 labels"),
        ({b"fine_labels": ["cat"]}, r"label 'cat' is not in 0 to 99"),
        ({b"fine_labels": [-1]}, r"label -1 is not in 0 to 99"),
    ],
)
def test_wrong_content_of_a_pickle_is_named(tmp_path: Path, content: dict[bytes, list[object]], error: str) -> None:
    write_layout(tmp_path, "python 3")
    (tmp_path / "train").write_bytes(pickle.dumps({b"data": np.zeros((1, 3072), np.uint8), **content}, 4))
    with pytest.raises(ValueError, match=rf"train:? {error}"):
        read_cifar100(tmp_path)


def test_a_pickle_cannot_run_code(tmp_path: Path) -> None:
    write_layout(tmp_path, "python 2")
    proof = tmp_path / "proof"
    (tmp_path / "test").write_bytes(pickle.dumps({b"data": Command(f"touch {proof}"), b"fine_labels": []}, 2))
    with pytest.raises(ValueError, match=r"test is not a pickle of CIFAR-100's .*asks for \w+\.system, which is not"):
        read_cifar100(tmp_path)
    assert not proof.exists()


def test_neither_data_set_is_taken_for_the_other(tmp_path: Path) -> None:
    write_layout(tmp_path, "parquet")
    with pytest.raises(ValueError, match=r"has no column 'label'; it has: img, coarse_label, fine_label"):
        read_cifar(CIFAR10, tmp_path)
    for name in ["train-00000-of-00001.parquet", "test-00000-of-00001.parquet"]:
        write_parquet(tmp_path / name, *draw(3, 0))
    with pytest.raises(ValueError, match=r"has no column 'fine_label'; it has: img, label"):
        read_cifar100(tmp_path)


def test_both_data_sets_may_lie_in_one_folder(tmp_path: Path) -> None:
    write_layout(tmp_path, "binary")
    for seed, name in enumerate(["test_batch", *(f"data_batch_{batch}" for batch in range(1, 6))]):
        write_binary(tmp_path / f"{name}.bin", *draw(2, seed))
    assert read_cifar100(tmp_path)[0][1].tolist() == draw(3, 1, 100)[1]
    assert read_cifar(CIFAR10, tmp_path)[1][1].tolist() == draw(2, 0)[1]
    assert read_cifar100(tmp_path)[1][1].tolist() == draw(3, 0, 100)[1]


def test_task_of_these_files(tmp_path: Path) -> None:
    write_layout(tmp_path, "binary", count=50)
    task = cifar100(data_dir=tmp_path)
    assert task.name == "CIFAR-100"
    assert isinstance(task.train, TensorDataset)
    assert isinstance(task.validation, TensorDataset)
    assert isinstance(task.test, TensorDataset)
    assert (len(task.train), len(task.validation), len(task.test)) == (48, 2, 50)
    assert (task.recipe.epochs, task.recipe.batch_size, task.recipe.schedule) == (10, 128, WarmupDecay())
    deep = make_task("cifar100", data_dir=tmp_path, model="resnet18", precision="bfloat16")
    assert (deep.recipe.epochs, deep.recipe.schedule, deep.recipe.precision) == (200, OneCycle(), "bfloat16")
    assert cifar100(data_dir=tmp_path, epochs=3, batch_size=7).recipe.batch_size == 7
    with pytest.raises(ValueError, match=r"model='resnet' is not known; known are: small-cnn, resnet18"):
        cifar100(data_dir=tmp_path, model="resnet")
    with pytest.raises(ValueError, match=r"epochs=0 is not a whole number"):
        cifar100(data_dir=tmp_path, epochs=0)
    with pytest.raises(ValueError, match=r"batch_size=0 is not a whole number"):
        cifar100(data_dir=tmp_path, batch_size=0)
    with pytest.raises(ValueError, match=r"precision='float16' is not known"):
        cifar100(data_dir=tmp_path, precision="float16")


@pytest.mark.parametrize("model", ["small-cnn", "resnet18"])
def test_models_have_the_classes_and_constants_of_their_data_set(tmp_path: Path, model: str) -> None:
    write_layout(tmp_path, "binary", count=50)
    for seed in range(6):
        write_binary(tmp_path / ("test_batch.bin" if seed == 0 else f"data_batch_{seed}.bin"), *draw(20, seed))
    expected = {
        cifar100: (100, (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
        cifar10: (10, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    }
    images = torch.from_numpy(draw(2, 0)[0])
    for make, (classes, mean, std) in expected.items():
        made = make(data_dir=tmp_path, model=model).make_model()
        assert made(images).shape == (2, classes)
        [normalize] = [module for module in made.modules() if isinstance(module, Normalize)]
        assert torch.allclose(normalize.mean.flatten(), torch.tensor(mean) * 255)
        assert torch.allclose(normalize.std.flatten(), torch.tensor(std) * 255)
