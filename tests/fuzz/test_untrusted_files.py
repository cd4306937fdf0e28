"""Files from strangers: none of them runs code but those that say so, and nothing is asked of a network."""

from __future__ import annotations

import json
import os
import pickle
import socket
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data_select_gym.agents import UntrustedFileWarning, load_policy, save_model
from data_select_gym.agents.learned import saved as saved_agents
from data_select_gym.agents.learned.saved import read_note
from data_select_gym.tasks import make_task
from data_select_gym.tasks.images.cifar_files import CIFAR10, CIFAR100, read_cifar
from data_select_gym.tasks.images.image_files import read_image
from data_select_gym.tasks.label_files import read_labels
from data_select_gym.tasks.language.instructions import read_conversations
from data_select_gym.tasks.language.mmlu import read_questions
from data_select_gym.tasks.text.text_files import read_texts
from data_select_gym.training.checkpoints import read_state

from ..agents.small_agents import learned
from ..tasks.written_cifar import draw, write_parquet, write_rows
from ..tasks.written_images import write_imagenet
from ..tasks.written_language import ROWS, write_lines, write_mmlu
from ..tasks.written_language import write_checkpoint as write_language_model
from ..tasks.written_texts import write_checkpoint, write_texts


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> object:
        return os.mkdir, (str(self.folder),)


def write_labels_npy(path: Path, trap: Trap) -> None:
    np.save(path, np.array([trap]), allow_pickle=True)


def write_zip_of_arrays(path: Path, trap: Trap) -> None:
    np.savez(path.with_suffix(".npz"), a=np.array([trap]))
    path.with_suffix(".npz").rename(path)


def write_torch(path: Path, trap: Trap) -> None:
    torch.save({"env": trap, "worse_label": trap}, path)


def write_old_torch(path: Path, trap: Trap) -> None:
    torch.save({"worse_label": trap}, path, _use_new_zipfile_serialization=False)


def write_pickle(path: Path, trap: Trap) -> None:
    path.write_bytes(pickle.dumps({b"data": trap, b"fine_labels": [1]}, 2))


def write_image_cell(path: Path, trap: Trap) -> None:
    write_rows(path, [pickle.dumps(trap)], label=[1])


READERS: list[tuple[str, Callable[[Path, Trap], None], Callable[[Path], Any]]] = [
    ("train", write_pickle, lambda path: read_cifar(CIFAR100, path.parent)),
    ("train-0.parquet", write_pickle, lambda path: read_cifar(CIFAR10, path.parent)),
    ("train-0.parquet", write_image_cell, lambda path: read_cifar(CIFAR10, path.parent)),
    ("labels.npy", write_labels_npy, lambda path: read_labels(path, str(path))),
    ("labels.npy", write_zip_of_arrays, lambda path: read_labels(path, str(path), "a")),
    ("labels.npy", write_pickle, lambda path: read_labels(path, str(path))),
    ("labels.pt", write_torch, lambda path: read_labels(path, str(path), "worse_label")),
    ("labels.pt", write_old_torch, lambda path: read_labels(path, str(path), "worse_label")),
    ("labels.pt", write_pickle, lambda path: read_labels(path, str(path))),
    ("labels.txt", write_pickle, lambda path: read_labels(path, str(path))),
    ("checkpoint-1.pt", write_torch, read_state),
    ("checkpoint-1.pt", write_old_torch, read_state),
    ("checkpoint-1.pt", write_pickle, read_state),
    ("train.tsv", write_pickle, lambda path: read_texts(path.parent)),
    ("train.csv", write_pickle, lambda path: read_texts(path.parent)),
    ("train.jsonl", write_pickle, lambda path: read_texts(path.parent)),
    ("train.jsonl", write_pickle, read_conversations),
    ("a_test.csv", write_pickle, read_questions),
    ("image.jpg", write_pickle, lambda path: read_image(str(path), 8)),
    ("agent.zip", write_torch, read_note),
    ("agent.zip", write_pickle, read_note),
]


@pytest.mark.parametrize(("name", "write", "read"), READERS)
def test_what_is_in_a_file_is_not_run(name: str, write: Any, read: Any, tmp_path: Path) -> None:
    trap = Trap(tmp_path / "sprung")
    if name.startswith("train"):
        (tmp_path / name.replace("train", "test")).write_bytes(b"a\t1\n")
    write(tmp_path / name, trap)
    with pytest.raises(ValueError, match=name):
        read(tmp_path / name)
    assert not trap.folder.exists()
    pickle.loads(pickle.dumps(trap))
    assert trap.folder.exists(), "the trap must work where nothing stops it"


# Checkpoints of transformers


def with_code(folder: Path, kind: str) -> Path:
    """A folder whose configuration says that its model is one of the folder's own modules."""
    config = json.loads((folder / "config.json").read_text())
    classes = {"AutoConfig": "own.Config", "AutoModel": "own.Model", "AutoModelForCausalLM": "own.Model"}
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": classes, "model_type": kind}))
    (folder / "own.py").write_text(f"import os\nos.mkdir({str(folder / 'sprung')!r})\n")
    return folder


def with_pickle(folder: Path) -> Path:
    """A folder whose weights are a pickle."""
    for path in folder.glob("*.safetensors"):
        path.unlink()
    torch.save({"weight": Trap(folder / "sprung")}, folder / "pytorch_model.bin")
    return folder


def texts_with(model: Path, data: Path) -> Any:
    task = make_task("text_classification", data_dir=write_texts(data, train=20), model=str(model), max_length=16)
    return task.make_model()


def language_with(model: Path, data: Path) -> Any:
    write_lines(data / "train.jsonl", ROWS)
    return make_task("instruction_tuning", data_dir=data, model=str(model), max_length=64).make_model()


@pytest.mark.parametrize("use", [texts_with, language_with])
@pytest.mark.parametrize("attack", ["code", "pickle"])
def test_a_checkpoint_of_transformers_runs_none_of_its_own_code(use: Any, attack: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    if use is texts_with:
        write_checkpoint(folder)
    else:
        write_language_model(folder)
    (with_pickle(folder) if attack == "pickle" else with_code(folder, "own"))
    with pytest.raises(ValueError, match=r"^model='.*model'"):
        use(folder, tmp_path / "data")
    assert not (folder / "sprung").exists()


# Saved agents, which do run code


def test_a_file_that_another_process_wrote_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_model(learned("a2c"), tmp_path / "agent.zip")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_policy(path)
    monkeypatch.setattr(saved_agents, "KNOWN", set())
    with pytest.warns(UntrustedFileWarning, match=r"^policy='.*agent.zip' is unpickled, .* only files that you trust$"):
        load_policy(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_policy(path)


def test_the_warning_comes_before_anything_is_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = learned("a2c")
    model.trap = Trap(tmp_path / "sprung")  # type: ignore[attr-defined]
    path = save_model(model, tmp_path / "agent.zip")
    monkeypatch.setattr(saved_agents, "KNOWN", set())
    with pytest.raises(UntrustedFileWarning):  # warnings are errors in tests
        load_policy(path)
    assert not (tmp_path / "sprung").exists()
    with pytest.warns(UntrustedFileWarning):
        load_policy(path)
    assert (tmp_path / "sprung").exists(), "which is why there is a warning"


# The network


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked of the network, which is not there."""
    import huggingface_hub.constants

    asked: list[str] = []

    def refuse(*given: Any, **named: Any) -> Any:
        asked.append(f"{given} {named}")
        raise OSError("there is no network")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    return asked


@pytest.mark.filterwarnings("ignore:.*prompts with shots=0 examples are longer")
def test_nothing_is_fetched_for_what_is_on_the_disk(tmp_path: Path, no_network: list[str]) -> None:
    cifar = tmp_path / "cifar"
    cifar.mkdir()
    for name in ("train-0.parquet", "test-0.parquet"):
        write_parquet(cifar / name, *draw(50, 0))
    write_lines(tmp_path / "language" / "train.jsonl", ROWS)
    texts, encoder = write_texts(tmp_path / "texts", train=20), write_checkpoint(tmp_path / "encoder")
    model = write_language_model(tmp_path / "model")
    mmlu = {"mmlu_dir": write_mmlu(tmp_path / "mmlu"), "max_length": 64, "mmlu_shots": 0}
    tasks = [
        make_task("digits"),
        make_task("cifar10", data_dir=cifar),
        make_task("image_folder", data_dir=write_imagenet(tmp_path / "images"), model="resnet18", image_size=16),
        make_task("text_classification", data_dir=texts),
        make_task("text_classification", data_dir=texts, model=encoder, max_length=16),
        make_task("instruction_tuning", data_dir=tmp_path / "language", **mmlu),
        make_task("instruction_tuning", data_dir=tmp_path / "language", model=str(model), lora_rank=2, **mmlu),
    ]
    for task in tasks:
        task.make_model()
    assert no_network == []
