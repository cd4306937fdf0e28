import io
import os
import pickle
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch.utils.data import TensorDataset

from data_select_gym.tasks.images.cifar import cifar10
from data_select_gym.tasks.images.cifar_files import CIFAR10, read_cifar

from .written_cifar import (
    Command,
    Writer,
    draw,
    encode,
    write_binary,
    write_parquet,
    write_python2,
    write_python3,
    write_python3_old_protocol,
    write_rows,
)

read_cifar10 = partial(read_cifar, CIFAR10)

BINARY = [f"data_batch_{batch}.bin" for batch in range(1, 6)], "test_batch.bin", write_binary
PYTHON_NAMES = [f"data_batch_{batch}" for batch in range(1, 6)], "test_batch"
LAYOUTS: dict[str, tuple[str, list[str], str, Writer]] = {
    "parquet": (".", ["train-00000-of-00001.parquet"], "test-00000-of-00001.parquet", write_parquet),
    "parquet in plain_text": (
        "plain_text",
        ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"],
        "test-0.parquet",
        write_parquet,
    ),
    "parquet in data": ("data", ["train-0.parquet"], "test-0.parquet", write_parquet),
    "binary": (".", *BINARY),
    "binary archive": ("cifar-10-batches-bin", *BINARY),
    "python 2": (".", *PYTHON_NAMES, write_python2),
    "python 2 archive": ("cifar-10-batches-py", *PYTHON_NAMES, write_python2),
    "python 3": (".", *PYTHON_NAMES, write_python3),
    "python 3, old protocol": (".", *PYTHON_NAMES, write_python3_old_protocol),
}


def write_layout(folder: Path, layout: str, count: int = 3) -> None:
    place, train, test, write = LAYOUTS[layout]
    (folder / place).mkdir(exist_ok=True)
    for seed, name in enumerate([test, *train]):
        write(folder / place / name, *draw(count, seed))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_reads_each_layout_in_order(tmp_path: Path, layout: str) -> None:
    write_layout(tmp_path, layout)
    (images, labels), (test_images, test_labels) = read_cifar10(tmp_path)
    drawn = [draw(3, seed) for seed in range(1, 1 + len(LAYOUTS[layout][1]))]
    assert images.dtype == test_images.dtype == torch.uint8
    assert labels.dtype == test_labels.dtype == torch.int64
    assert np.array_equal(images.numpy(), np.concatenate([pixels for pixels, _ in drawn]))
    assert labels.tolist() == [label for _, some in drawn for label in some]
    assert np.array_equal(test_images.numpy(), draw(3, 0)[0])
    assert test_labels.tolist() == draw(3, 0)[1]


def test_reads_jpeg(tmp_path: Path) -> None:
    pixels = np.zeros((3, 32, 32), dtype=np.uint8)
    pixels[0] = 200
    for name in ["train-0.parquet", "test-0.parquet"]:
        write_rows(tmp_path / name, [encode(pixels, "JPEG")], label=[3])
    (images, labels), _ = read_cifar10(tmp_path)
    assert np.abs(images[0].numpy().astype(int) - pixels).max() <= 3
    assert labels.tolist() == [3]


def test_second_read_is_kept_until_a_file_changes(tmp_path: Path) -> None:
    write_layout(tmp_path, "binary")
    first = read_cifar10(tmp_path)
    assert read_cifar10(os.fspath(tmp_path)) is first
    path = tmp_path / "test_batch.bin"
    write_binary(path, *draw(3, 99))
    os.utime(path, ns=(0, 0))
    _, (test_images, _) = read_cifar10(tmp_path)
    assert np.array_equal(test_images.numpy(), draw(3, 99)[0])


def test_task_of_these_files(tmp_path: Path) -> None:
    write_layout(tmp_path, "binary", count=20)
    task = cifar10(data_dir=tmp_path)
    assert isinstance(task.train, TensorDataset)
    assert isinstance(task.validation, TensorDataset)
    assert isinstance(task.test, TensorDataset)
    assert (len(task.train), len(task.validation), len(task.test)) == (96, 4, 20)
    assert task.recipe.epochs == 10
    assert task.make_model()(task.train.tensors[0][:2]).shape == (2, 10)
    assert cifar10(data_dir=tmp_path, model="resnet18").recipe.epochs == 200
    assert cifar10(data_dir=tmp_path, epochs=3, batch_size=7).recipe.batch_size == 7
    with pytest.raises(ValueError, match=r"model='resnet' is not known; known are: small-cnn, resnet18"):
        cifar10(data_dir=tmp_path, model="resnet")
    with pytest.raises(ValueError, match=r"epochs=0 is not a whole number"):
        cifar10(data_dir=tmp_path, epochs=0)


def test_folders_without_the_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"data_dir='.*absent' is not a folder"):
        read_cifar10(tmp_path / "absent")
    with pytest.raises(FileNotFoundError, match=r"no CIFAR-10 files; looked for .*train-\*.*\.bin.*-batches-py"):
        read_cifar10(tmp_path)
    write_layout(tmp_path, "binary")
    (tmp_path / "data_batch_4.bin").unlink()
    with pytest.raises(FileNotFoundError, match=r"has data_batch_1\.bin but not data_batch_4\.bin"):
        read_cifar10(tmp_path)


def test_missing_shard(tmp_path: Path) -> None:
    write_layout(tmp_path, "parquet in plain_text")
    (tmp_path / "plain_text" / "train-00001-of-00002.parquet").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"has 1 files train-\*\.parquet, not as many as train-00000-of-00002\.parquet"
    ):
        read_cifar10(tmp_path)


@pytest.mark.parametrize("size", [3073 + 3072, 1, 3073 * 3 + 1])
def test_truncated_binary(tmp_path: Path, size: int) -> None:
    write_layout(tmp_path, "binary")
    path = tmp_path / "data_batch_3.bin"
    path.write_bytes(bytes(size))
    with pytest.raises(ValueError, match=rf"data_batch_3\.bin is truncated: its {size} bytes"):
        read_cifar10(tmp_path)


@pytest.mark.parametrize("layout", ["parquet", "binary", "python 2"])
def test_wrong_label_and_empty_file(tmp_path: Path, layout: str) -> None:
    write_layout(tmp_path, layout)
    _, train, test, write = LAYOUTS[layout]
    images, labels = draw(3, 5)
    write(tmp_path / train[0], images, [labels[0], 10, labels[2]])
    with pytest.raises(ValueError, match=rf"{train[0]}: label 10 is not in 0 to 9"):
        read_cifar10(tmp_path)
    write_layout(tmp_path, layout)
    write(tmp_path / test, images[:0], [])
    with pytest.raises(ValueError, match=rf"{test} holds no images"):
        read_cifar10(tmp_path)


def damaged(name: str) -> bytes:
    """An encoded image that is not as it should be."""
    pixels = draw(1, 0)[0][0]
    encoded = {
        "cut": encode(pixels)[:400],
        "text": b"not an image",
        "small": encode(pixels[:, :16, :]),
        "gif": encode(pixels, "GIF"),
    }
    grey = io.BytesIO()
    Image.fromarray(pixels[0]).save(grey, "PNG")
    return {**encoded, "grey": grey.getvalue()}[name]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("cut", "cannot be decoded"),
        ("text", "cannot be decoded"),
        ("gif", "cannot be decoded"),
        ("small", "the image is RGB of 32x16; RGB of 32x32 is needed"),
        ("grey", "the image is L of 32x32; RGB of 32x32 is needed"),
    ],
)
def test_wrong_images(tmp_path: Path, name: str, error: str) -> None:
    write_layout(tmp_path, "parquet in data")
    good = encode(draw(1, 0)[0][0])
    write_rows(tmp_path / "data" / "train-0.parquet", [good, damaged(name)], label=[1, 2])
    with pytest.raises(ValueError, match=rf"train-0\.parquet, row 1: .*{error}"):
        read_cifar10(tmp_path)


def test_wrong_columns(tmp_path: Path) -> None:
    write_layout(tmp_path, "parquet in data")
    path = tmp_path / "data" / "train-0.parquet"
    good = encode(draw(1, 0)[0][0])
    write_rows(path, [good], fine_label=[1])
    with pytest.raises(ValueError, match=r"train-0\.parquet has no column 'label'; it has: img, fine_label"):
        read_cifar10(tmp_path)
    write_rows(path, [good], label=["cat"])
    with pytest.raises(ValueError, match=r"train-0\.parquet: column 'label' is string; integers are needed"):
        read_cifar10(tmp_path)
    write_rows(path, [good, good], label=[1, None])
    with pytest.raises(ValueError, match=r"train-0\.parquet: column 'label' has gaps"):
        read_cifar10(tmp_path)
    write_rows(path, [good, None], label=[1, 2])
    with pytest.raises(ValueError, match=r"train-0\.parquet, row 1: no image"):
        read_cifar10(tmp_path)
    pq.write_table(pa.table({"img": [good], "label": [1]}), path)
    with pytest.raises(ValueError, match=r"train-0\.parquet: column 'img' is binary; a struct"):
        read_cifar10(tmp_path)


@pytest.mark.parametrize("keep", [0, 100, -100])
def test_truncated_parquet(tmp_path: Path, keep: int) -> None:
    write_layout(tmp_path, "parquet")
    path = tmp_path / "train-00000-of-00001.parquet"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"train-00000-of-00001\.parquet is not a readable parquet file"):
        read_cifar10(tmp_path)


def test_corrupt_parquet(tmp_path: Path) -> None:
    write_layout(tmp_path, "parquet")
    path = tmp_path / "train-00000-of-00001.parquet"
    content = bytearray(path.read_bytes())
    content[4:1000] = bytes(996)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"train-00000-of-00001\.parquet is not a readable parquet file"):
        read_cifar10(tmp_path)


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_layout(tmp_path, "parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"pip install 'data-select-gym\[parquet\]'"):
        read_cifar10(tmp_path)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_pickle_cannot_run_code(tmp_path: Path, protocol: int) -> None:
    write_layout(tmp_path, "python 2")
    proof = tmp_path / "proof"
    attack = pickle.dumps({b"data": Command(f"touch {proof}"), b"labels": []}, protocol)
    path = tmp_path / "data_batch_2"
    path.write_bytes(attack)
    with pytest.raises(ValueError, match=r"data_batch_2 is not a pickle of .*asks for \w+\.system, which is not"):
        read_cifar10(tmp_path)
    assert not proof.exists()
    pickle.loads(attack)
    assert proof.exists(), "the attack must work where nothing stops it"


@pytest.mark.parametrize(
    "names", ["builtins eval", "numpy load", "numpy.core.multiarray fromfile", "_codecs decode", "numpy ndarray.tofile"]
)
def test_pickle_gets_no_other_names(tmp_path: Path, names: str) -> None:
    write_layout(tmp_path, "python 3")
    module, name = names.split()
    texts = [b"\x8c" + bytes([len(text)]) + text.encode() for text in (module, name)]
    (tmp_path / "test_batch").write_bytes(b"\x80\x04" + b"".join(texts) + b"\x93.")
    with pytest.raises(ValueError, match=rf"test_batch is not a pickle of .*asks for {module}\.{name}, which is not"):
        read_cifar10(tmp_path)


@pytest.mark.parametrize("layout", ["python 2", "python 3"])
@pytest.mark.parametrize("keep", [0, 60, 5000, -1])
def test_truncated_pickle(tmp_path: Path, layout: str, keep: int) -> None:
    write_layout(tmp_path, layout)
    path = tmp_path / "data_batch_5"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"data_batch_5 is not a pickle of CIFAR-10's Python version"):
        read_cifar10(tmp_path)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ([1, 2], "does not hold a dict"),
        ({b"data": np.zeros((1, 3072), np.uint8), b"fine_labels": [1]}, "does not hold a dict with"),
        ({b"data": np.zeros((1, 3072)), b"labels": [1]}, r"b'data' is float64 of shape \(1, 3072\)"),
        ({b"data": np.zeros((1, 3071), np.uint8), b"labels": [1]}, r"b'data' is uint8 of shape \(1, 3071\)"),
        ({b"data": [1], b"labels": [1]}, r"b'data' is list"),
        ({b"data": np.zeros((2, 3072), np.uint8), b"labels": [1]}, r"b'labels' is not a list of 2 labels"),
        ({b"data": np.zeros((1, 3072), np.uint8), b"labels": [None]}, "label None is not in 0 to 9"),
        ({b"data": np.zeros((1, 3072), np.uint8), b"labels": [1 << 70]}, f"label {1 << 70} is not in 0 to 9"),
    ],
)
def test_wrong_content_of_a_pickle(tmp_path: Path, content: Any, error: str) -> None:
    write_layout(tmp_path, "python 3")
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(content, 4))
    with pytest.raises(ValueError, match=rf"data_batch_1.*{error}"):
        read_cifar10(tmp_path)
