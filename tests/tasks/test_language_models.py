import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from data_select_gym.tasks import Task
from data_select_gym.tasks.language.completions import Completions
from data_select_gym.tasks.language.instruction_tuning import instruction_tuning
from data_select_gym.tasks.language.language_models import CausalModel, adamw, load_model
from data_select_gym.tasks.language.language_objective import IGNORED, LanguageModelling

from .written_language import ROWS, write_checkpoint, write_lines

KINDS = ["gpt2", "llama", "qwen2"]
load = partial(load_model, lora_rank=None, lora_alpha=16, precision="float32")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("language")
    for kind in KINDS:
        write_checkpoint(folder / kind, kind)
    write_lines(folder / "data" / "train.jsonl", ROWS)
    return folder


def made(folder: Path, **options: Any) -> Task:
    return instruction_tuning(data_dir=folder / "data", **({"max_length": 64} | options))


def seeded(task: Task, seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return task.make_model()


def weights(model: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_of_a_sample_is_that_of_transformers_itself(kind: str, folder: Path) -> None:
    task = made(folder, model=str(folder / kind))
    model = seeded(task).eval()
    inputs, labels = task.train.batch(torch.arange(5))  # type: ignore[attr-defined]
    with torch.no_grad():
        losses, signals = task.objective(model, inputs, labels, embed=True)
        for row in range(5):
            tokens, learned = task.train[row]
            output = model.network(input_ids=tokens[None], labels=learned[None], output_hidden_states=True)
            assert losses[row].item() == pytest.approx(output.loss.item(), rel=1e-5)
            hidden = output.hidden_states[-1][0, :-1][learned[1:] != IGNORED].mean(dim=0)
            assert signals.embedding is not None and torch.allclose(signals.embedding[row], hidden, atol=1e-5)
    assert task.objective.embedding_dim(model) == 16


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_padding_token_what_fills_the_batch_changes_nothing(kind: str, folder: Path) -> None:
    task = made(folder, model=str(folder / kind))
    model = seeded(task).eval()
    inputs, labels = task.train.batch(torch.tensor([0, 1, 2, 3, 40]))  # type: ignore[attr-defined]
    empty = inputs["attention_mask"] == 0
    assert empty.any()
    with torch.no_grad():
        losses, signals = task.objective(model, inputs, labels, embed=True)
        inputs["input_ids"] = torch.where(empty, 77, inputs["input_ids"])
        again, others = task.objective(model, inputs, labels, embed=True)
    assert torch.equal(losses, again)
    for name, column in signals.columns().items():
        assert torch.equal(column, others.columns()[name]), name


def test_fresh_weights_and_adapters_come_from_the_seed(folder: Path) -> None:
    for options in ({}, {"model": str(folder / "llama"), "lora_rank": 2}):
        task = made(folder, **options)
        assert torch.equal(weights(seeded(task)), weights(seeded(task)))
        assert not torch.equal(weights(seeded(task)), weights(seeded(task, 1)))


def test_the_small_model_has_as_many_tokens_as_its_text_fills(folder: Path) -> None:
    model = seeded(made(folder))
    vocabulary = model.network.get_input_embeddings().num_embeddings  # type: ignore[operator, union-attr]
    assert 257 <= vocabulary <= 1024
    assert sum(parameter.numel() for parameter in model.parameters()) == 106_816 + 64 * vocabulary


@pytest.mark.parametrize("kind", KINDS)
def test_only_adapters_are_trained_where_a_rank_is_given(kind: str, folder: Path) -> None:
    task = made(folder, model=str(folder / kind), lora_rank=2)
    model = seeded(task)
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    optimizer = task.recipe.optimizer(model.parameters())
    trained = {parameter for group in optimizer.param_groups for parameter in group["params"]}
    losses, _ = task.objective(model, *task.train.batch(torch.arange(4)), embed=True)  # type: ignore[attr-defined]
    losses.mean().backward()  # type: ignore[no-untyped-call]
    for group in optimizer.param_groups:
        group["lr"] = 0.01
    optimizer.step()
    changed = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    assert changed and all("lora_" in name for name in changed)
    assert {id(parameter) for parameter in trained} == {
        id(parameter) for name, parameter in model.named_parameters() if "lora_" in name
    }


def test_frozen_weights_are_in_the_precision_of_the_run_and_trained_ones_in_full(folder: Path) -> None:
    model = load(str(folder / "llama"), lora_rank=2, precision="bfloat16")
    kinds = {("lora_" in name, parameter.dtype) for name, parameter in model.named_parameters()}
    assert kinds == {(True, torch.float32), (False, torch.bfloat16)}
    assert {parameter.dtype for parameter in load(str(folder / "llama"), precision="bfloat16").parameters()} == {
        torch.float32
    }


def test_vectors_do_not_decay() -> None:
    optimizer = adamw(nn.Linear(3, 2).parameters(), learning_rate=0.1)
    assert [(group["params"][0].ndim, group["weight_decay"], group["lr"]) for group in optimizer.param_groups] == [
        (2, 0.1, 0.1),
        (1, 0.0, 0.1),
    ]


def test_a_sequence_over_the_model_s_length_is_refused_at_the_door(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"^max_length=65: model='.*gpt2' takes at most 64 tokens$"):
        made(folder, model=str(folder / "gpt2"), max_length=65)


def test_what_is_no_checkpoint_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"^model='smal' is neither one of small, medium nor a checkpoint"):
        made(folder, model="smal")
    with pytest.raises(ValueError, match=r"^model='.*data' is neither"):
        made(folder, model=str(folder / "data"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lora_rank": 2}, "lora_rank=2: adapters need a trained model, and model='small' has fresh weights"),
        ({"lora_rank": 0}, "lora_rank=0 is not a whole number of at least 1"),
        ({"lora_alpha": 0}, "lora_alpha=0 is not a whole number of at least 1"),
        ({"max_length": 7}, "max_length=7 is not a whole number of at least 8"),
        ({"batch_size": 0}, "batch_size=0 is not a whole number of at least 1"),
        ({"epochs": 0}, "epochs=0 is not a whole number of at least 1"),
        ({"learning_rate": 0}, "learning_rate=0 is not a finite number above 0"),
        ({"precision": "half"}, "precision='half' is not known"),
    ],
)
def test_arguments_are_checked(options: dict[str, Any], message: str, folder: Path) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        made(folder, **options)


def test_without_the_extras_it_is_said_which_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ImportError, match=r"^lora_rank=2 needs peft: pip install 'data-select-gym\[peft\]'$"):
        made(folder, model=str(folder / "gpt2"), lora_rank=2)
    monkeypatch.setitem(sys.modules, "transformers", None)
    for model in ("small", str(folder / "gpt2")):
        with pytest.raises(ImportError, match=r"needs transformers: pip install 'data-select-gym\[transformers\]'$"):
            made(folder, model=model)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (6, 5e-3)),
        ({"model": "llama"}, (3, 2e-5)),
        ({"model": "llama", "lora_rank": 2}, (3, 2e-4)),
        ({"epochs": 4, "learning_rate": 0.1}, (4, 0.1)),
    ],
)
def test_epochs_and_learning_rate_fit_what_is_trained(
    options: dict[str, Any], expected: tuple[int, float], folder: Path
) -> None:
    if "model" in options:
        options = options | {"model": str(folder / options["model"])}
    recipe = made(folder, **options).recipe
    assert (recipe.epochs, recipe.optimizer(nn.Linear(2, 2).parameters()).param_groups[0]["lr"]) == expected


@pytest.mark.parametrize(("gpu", "precision"), [(True, "bfloat16"), (False, "float32")])
def test_the_precision_fits_the_machine(
    gpu: bool, precision: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    assert made(folder).recipe.precision == precision
    assert made(folder, precision="float32").recipe.precision == "float32"


def test_a_validation_set_is_split_off_where_there_is_no_file_of_one(folder: Path, tmp_path: Path) -> None:
    task = made(folder)
    assert (len(task.train), len(task.validation), task.test) == (46, 2, None)  # type: ignore[arg-type]
    assert isinstance(task.train, Completions) and isinstance(task.validation, Completions)
    for part in ("train", "validation", "test"):
        write_lines(tmp_path / f"{part}.jsonl", ROWS)
    task = instruction_tuning(data_dir=tmp_path)
    assert len(task.train) == len(task.validation) == len(task.test) == 48  # type: ignore[arg-type]


def test_the_network_may_be_one_s_own(folder: Path) -> None:
    network = load(str(folder / "gpt2")).network
    inputs = {"input_ids": torch.tensor([[1, 2, 3]]), "attention_mask": torch.ones(1, 3, dtype=torch.int64)}
    assert torch.equal(CausalModel(network)(inputs), network(**inputs).logits)
    assert LanguageModelling().embedding_dim(CausalModel(network)) == 16
