import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, TensorDataset

from data_select_gym.tasks import Classification, Recipe, Task, make_task
from data_select_gym.tasks.label_files import read_labels
from data_select_gym.tasks.labels import labels_of
from data_select_gym.tasks.protocol import Stored

CLASSES, SIZE = 4, 40
Write = Callable[[Path, list[int]], Path]


class Files(Dataset[tuple[Tensor, int]], Stored):
    """Samples of which a part, or all with other labels, are a dataset of the same kind; none can be read."""

    def __init__(self, numbers: Tensor, targets: Tensor) -> None:
        self.numbers = numbers
        self.targets = targets

    def __len__(self) -> int:
        return len(self.targets)

    def rows(self, indices: Tensor) -> "Files":
        return Files(self.numbers[indices], self.targets[indices])

    def relabelled(self, targets: Tensor) -> "Files":
        return Files(self.numbers, targets)


class Command:
    """Runs a command when it is unpickled, unless the unpickler refuses."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.path}",)


class Other:
    primary_metric = "loss"


def small(train: Dataset[Any] | None = None, *, objective: Any = None, **sets: Any) -> Task:
    labels = torch.arange(SIZE) % CLASSES
    data = TensorDataset(torch.arange(float(SIZE)).unsqueeze(1), labels)
    return Task(
        name="small",
        train=data if train is None else train,
        make_model=lambda: nn.Linear(1, CLASSES),
        objective=objective or Classification(),
        recipe=Recipe(epochs=3, batch_size=10, optimizer=torch.optim.SGD),
        **({"validation": data} | sets),
    )


def write_npy(folder: Path, labels: list[int]) -> Path:
    np.save(folder / "labels.npy", np.array(labels, np.int32))
    return folder / "labels.npy"


def write_text(folder: Path, labels: list[int]) -> Path:
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in labels))
    return folder / "labels.txt"


def write_marked_text(folder: Path, labels: list[int]) -> Path:
    """As editors on Windows write it, with a byte-order mark."""
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in labels), encoding="utf-8-sig")
    return folder / "labels.txt"


def write_csv_of_windows(folder: Path, labels: list[int]) -> Path:
    (folder / "labels.csv").write_bytes("\r\n".join(f" {label} " for label in labels).encode())
    return folder / "labels.csv"


def write_tensor(folder: Path, labels: list[int]) -> Path:
    torch.save(torch.tensor(labels), folder / "labels.pt")
    return folder / "labels.pt"


def write_pth(folder: Path, labels: list[int]) -> Path:
    torch.save(torch.tensor(labels), folder / "labels.pth")
    return folder / "labels.pth"


def write_human(folder: Path, labels: list[int]) -> Path:
    """As CIFAR-10N's: a dict of arrays of NumPy 1."""
    path = folder / "human.pt"
    others = {"clean_label": np.arange(len(labels)) % CLASSES, "aggre_label": np.zeros(len(labels), np.int64)}
    torch.save({**others, "worse_label": np.array(labels)}, path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    return path


def some(seed: int = 0, size: int = SIZE) -> list[int]:
    labels: list[int] = np.random.default_rng(seed).integers(CLASSES, size=size).tolist()
    return labels


@pytest.mark.parametrize(
    "write", [write_npy, write_text, write_marked_text, write_csv_of_windows, write_tensor, write_pth]
)
@pytest.mark.parametrize("as_text", [True, False])
def test_the_training_set_gets_the_labels_of_the_file_and_the_true_ones_stay_on_record(
    write: Write, as_text: bool, tmp_path: Path
) -> None:
    path = write(tmp_path, some())
    task = make_task(small(), label_noise_file=str(path) if as_text else path)
    assert labels_of(task.train).tolist() == some()
    assert task.true_labels is not None and task.mislabelled is not None
    assert task.true_labels.tolist() == [number % CLASSES for number in range(SIZE)]
    assert task.mislabelled.tolist() == [label != number % CLASSES for number, label in enumerate(some())]
    assert labels_of(task.validation).tolist() == [number % CLASSES for number in range(SIZE)]


@pytest.mark.parametrize("key", ["worse_label", "clean_label", "aggre_label"])
def test_an_entry_of_human_labels_is_chosen_by_its_key(key: str, tmp_path: Path) -> None:
    task = make_task(small(), label_noise_file=write_human(tmp_path, some()), label_noise_key=key)
    true = [number % CLASSES for number in range(SIZE)]
    assert (
        labels_of(task.train).tolist() == {"worse_label": some(), "clean_label": true, "aggre_label": [0] * SIZE}[key]
    )


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_array_of_several_is_chosen_by_its_key(save: Any, tmp_path: Path) -> None:
    path = tmp_path / "labels.npz"
    save(path, worse=np.array(some(), np.uint8), clean=np.zeros(SIZE, ">i8"), names=np.array(["a", "b"]))
    for key, labels in (("worse", some()), ("clean", [0] * SIZE)):
        task = make_task(small(), label_noise_file=path, label_noise_key=key)
        assert labels_of(task.train).tolist() == labels
    for key in (None, "better"):
        with pytest.raises(ValueError, match=rf"label_noise_key={key!r} is not in .*; it has: worse, clean, names"):
            make_task(small(), label_noise_file=path, label_noise_key=key)
    with pytest.raises(ValueError, match=r"holds <U1 of shape \(2,\); whole numbers of shape \(n,\) are needed"):
        make_task(small(), label_noise_file=path, label_noise_key="names")


def test_labels_that_can_be_packed_well_are_read(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "labels.npz", labels=np.zeros(50_000, np.int64))
    assert (tmp_path / "labels.npz").stat().st_size < 1000
    assert len(read_labels(tmp_path / "labels.npz", "file", "labels")) == 50_000


@pytest.mark.parametrize("stored", [True, False])
def test_a_file_is_for_the_set_that_validation_is_split_off_and_the_split_stays_clean(
    stored: bool, tmp_path: Path
) -> None:
    numbers = torch.arange(SIZE)
    data: Dataset[Any] = Files(numbers, numbers % CLASSES) if stored else TensorDataset(numbers, numbers % CLASSES)
    clean = small(data, validation=None, validation_fraction=0.25)
    task = make_task(clean, label_noise_file=write_npy(tmp_path, some()))
    left = task.train.numbers if isinstance(task.train, Files) else task.train.tensors[0]  # type: ignore[attr-defined]
    assert len(left) == 30
    assert labels_of(task.train).tolist() == [some()[number] for number in left.tolist()]
    assert task.true_labels is not None
    assert task.true_labels.tolist() == (left % CLASSES).tolist()
    assert task.validation is clean.validation


def test_a_file_fits_although_the_classes_are_cut_to_a_long_tail(tmp_path: Path) -> None:
    path = write_text(tmp_path, some())
    clean = small(validation=None)
    plain, noisy = make_task(clean, imbalance_factor=5), make_task(clean, imbalance_factor=5, label_noise_file=path)
    for task in (plain, noisy):
        assert isinstance(task.train, TensorDataset)
    kept = noisy.train.tensors[0].squeeze(1).long().tolist()  # type: ignore[attr-defined]
    assert kept == plain.train.tensors[0].squeeze(1).long().tolist()  # type: ignore[attr-defined]
    assert labels_of(noisy.train).tolist() == [some()[number] for number in kept]
    assert noisy.true_labels is not None
    assert noisy.true_labels.tolist() == [number % CLASSES for number in kept]


def test_an_environment_takes_it_and_tells_what_is_mislabelled(tmp_path: Path) -> None:
    from data_select_gym.envs import DataSelectEnv

    labels = (labels_of(make_task("digits").train) + 1) % 10
    path = write_npy(tmp_path, labels.tolist())
    env = DataSelectEnv("digits", epochs=3, label_noise_file=str(path), device="cpu")
    env.reset(seed=0)
    *_, info = env.step(np.ones(env.plan.pool_size))
    assert info["mislabelled"] == 1


@pytest.mark.parametrize("name", ["labels.npy", "labels.pt", "labels.txt", ""])
def test_a_file_that_is_not_there_is_told(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    message = f"^label_noise_file={str(path)!r}: there is no such file$"
    with pytest.raises(FileNotFoundError, match=re.escape(message)[2:-2]):
        make_task(small(), label_noise_file=path)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: write_npy(path, some(size=39)), r"has 39 labels; the training set has 40 samples$"),
        (lambda path: write_npy(path, [0] * 7 + [4] + [0] * 32), r": label 7 is 4; labels go from 0 to 3$"),
        (lambda path: write_text(path, [-1] + [0] * 39), r": label 0 is -1; labels go from 0 to 3$"),
        (lambda path: write_text(path, []), r"holds .* of shape \(0,\); whole numbers of shape \(n,\) are needed$"),
    ],
)
def test_labels_that_do_not_fit_are_refused(write: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^label_noise_file='.*labels\..*" + message):
        make_task(small(), label_noise_file=write(tmp_path))


def test_a_count_that_does_not_fit_is_told_with_the_samples_that_were_split_off(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has 36 labels; .* has 40 samples, 36 and the 4 split off for validation$"):
        make_task(small(validation=None), label_noise_file=write_npy(tmp_path, some(size=36)))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "labels.csv",
            b"label\n1\n2\n",
            r", line 1: 'label' is not a whole number; read are \.npy, \.npz, \.pt and \.pth, ",
        ),
        (
            "labels.txt",
            b"1\n2,3\n",
            r", line 2: '2,3' is not a whole number; read are \.npy, \.npz, \.pt and \.pth, ",
        ),
        (
            "labels.txt",
            b"1\n\n2\n",
            r", line 2: '' is not a whole number; read are \.npy, \.npz, \.pt and \.pth, ",
        ),
        (
            "labels.txt",
            b"1.0\n",
            r"is not a whole number; read are \.npy, \.npz, \.pt and \.pth, ",
        ),
        ("labels.txt", b"\xff\xfe1", r"is not text in UTF-8 \(.*\); read are \.npy, "),
        ("labels.NPY", b"1\n2\n", r"is not an array of numbers in NumPy's format"),
        ("labels.npz", b"1\n2\n", r"is not a file of arrays of numbers in NumPy's format"),
        ("labels.pth", b"1\n2\n", r"is damaged, or asks for more than arrays of numbers,"),
        ("labels.npy", b"not of numpy", r"is not an array of numbers in NumPy's format"),
        ("labels.npy", b"", r"is not an array of numbers in NumPy's format"),
        ("labels.pt", b"junk", r"is damaged, or asks for more than arrays of numbers, which is refused$"),
        ("labels.pt", b"", r"is damaged"),
    ],
)
def test_files_of_another_form_are_refused(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=r"^label_noise_file='.*" + message):
        make_task(small(), label_noise_file=tmp_path / name)


@pytest.mark.parametrize("values", [np.zeros((SIZE, 1), np.int64), np.zeros(SIZE), np.zeros(SIZE, bool)])
def test_arrays_that_are_no_labels_are_refused(values: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "labels.npy", values)
    with pytest.raises(ValueError, match=r"holds .* of shape .*; whole numbers of shape \(n,\) are needed$"):
        make_task(small(), label_noise_file=tmp_path / "labels.npy")


def test_a_file_that_asks_for_more_than_arrays_is_refused_and_nothing_of_it_is_run(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    torch.save({"worse_label": np.array(some()), "more": Command(trace)}, tmp_path / "harmful.pt")
    np.save(tmp_path / "harmful.npy", np.array([Command(trace)]), allow_pickle=True)
    for path, key in ((tmp_path / "harmful.pt", "worse_label"), (tmp_path / "harmful.npy", None)):
        with pytest.raises(ValueError, match=r"^label_noise_file='.*harmful"):
            make_task(small(), label_noise_file=path, label_noise_key=key)
    assert not trace.exists()
    assert np.ndarray not in torch.serialization.get_safe_globals()


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("worst_label", r"^label_noise_key='worst_label' is not in .*; it has: clean_label, aggre_label, worse_label$"),
        (None, r"^label_noise_key=None is not in "),
    ],
)
def test_an_unknown_key_is_refused(key: str | None, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        make_task(small(), label_noise_file=write_human(tmp_path, some()), label_noise_key=key)


def test_options_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    path = write_npy(tmp_path, some())
    with pytest.raises(ValueError, match=r"^label_noise_key='a': .* has no entries with names$"):
        make_task(small(), label_noise_file=path, label_noise_key="a")
    with pytest.raises(ValueError, match=r"^label_noise_key='a' names an entry of label_noise_file; give that too$"):
        make_task(small(), label_noise_key="a")
    with pytest.raises(ValueError, match=r"^label_noise=0.2 and label_noise_file='.*; leave label_noise out$"):
        make_task(small(), label_noise_file=path, label_noise=0.2)
    with pytest.raises(ValueError, match=r"^noisy_sets=\('test',\) and label_noise_file="):
        make_task(small(), label_noise_file=path, noisy_sets=("test",))
    with pytest.raises(ValueError, match=r"^label_noise_file='.*: the task has label noise already$"):
        make_task(make_task(small(), label_noise=0.2), label_noise_file=path)
    with pytest.raises(TypeError, match=r"^label_noise_file='.*: the objective is a Other; .* of Classification$"):
        make_task(small(objective=Other()), label_noise_file=path)
    harmless = make_task(small(), label_noise_file=path, label_noise=0, noisy_sets=["train"])
    assert labels_of(harmless.train).tolist() == some()
