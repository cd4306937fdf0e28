"""Checkpoints of transformers in the place of the small encoder."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import T5Config, T5Model

from data_select_gym.tasks.labels import labels_of
from data_select_gym.tasks.text.text_classification import text_classification
from data_select_gym.training import RunConfig, TrainingRun

from .written_texts import write_checkpoint, write_texts


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_a_checkpoint_is_fine_tuned(tmp_path: Path, kind: str) -> None:
    folder = write_texts(tmp_path / "texts", train=200, dev=40, test=60)
    checkpoint = write_checkpoint(tmp_path / kind, kind)
    task = text_classification(
        data_dir=folder, model=checkpoint, max_length=32, batch_size=16, epochs=8, learning_rate=0.01
    )
    run = TrainingRun(task, RunConfig(device="cpu", record={"embedding"}), seed=0)
    run.warm_up()
    while not run.done:
        run.step(torch.ones(len(run.pool), dtype=torch.bool))
    assert run.quality > 0.9
    assert run.ledger.read(run.pool).embedding.shape[1] == 16  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_the_filler_of_a_batch_changes_no_output(tmp_path: Path, kind: str) -> None:
    folder = write_texts(tmp_path / "texts", train=30)
    task = text_classification(data_dir=folder, model=write_checkpoint(tmp_path / kind, kind), max_length=32)
    train: Any = task.train
    assert train.padding == (1 if kind == "bert" else 0)
    short, long = int(train.lengths.argmin()), int(train.lengths.argmax())
    model = task.make_model().eval()
    with torch.no_grad():
        alone = model(train.batch(torch.tensor([short]))[0])
        padded = model(train.batch(torch.tensor([short, long]))[0])
    assert torch.allclose(alone, padded[:1], atol=1e-6)


def test_weights_are_those_of_the_checkpoint_in_single_precision(tmp_path: Path) -> None:
    checkpoint = write_checkpoint(tmp_path / "gpt2", "gpt2")
    task = text_classification(data_dir=write_texts(tmp_path / "texts", train=30), model=checkpoint, max_length=32)
    first, second = (dict(task.make_model().named_parameters()) for _ in range(2))
    assert {parameter.dtype for parameter in first.values()} == {torch.float32}
    same = {name for name in first if torch.equal(first[name], second[name])}
    assert set(first) - same == {"head.weight", "head.bias"}


def test_texts_over_the_length_are_cut_by_the_tokenizer(tmp_path: Path) -> None:
    folder = write_texts(tmp_path / "texts", train=30)
    with pytest.warns(UserWarning, match=r"of \d+ texts are cut after max_length=4 tokens"):
        task = text_classification(data_dir=folder, model=write_checkpoint(tmp_path / "bert"), max_length=4)
    train: Any = task.train
    assert int(train.lengths.max()) == 4
    assert len(labels_of(task.train)) == 27


def test_a_length_over_that_of_the_model_is_refused(tmp_path: Path) -> None:
    folder, checkpoint = write_texts(tmp_path / "texts", train=30), write_checkpoint(tmp_path / "bert")
    with pytest.raises(ValueError, match=r"max_length=128 is more than the 32 tokens that model=.* can read"):
        text_classification(data_dir=folder, model=checkpoint)


def test_models_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    folder, checkpoint = write_texts(tmp_path / "texts", train=30), write_checkpoint(tmp_path / "bert")
    with pytest.raises(ValueError, match="model='no/such-model': no tokenizer can be loaded"):
        text_classification(data_dir=folder, model="no/such-model")
    sizes = {"d_model": 8, "d_kv": 4, "d_ff": 8, "num_layers": 1, "num_heads": 2}
    T5Model(T5Config(vocab_size=20, **sizes)).save_pretrained(checkpoint)
    with pytest.raises(ValueError, match="has an encoder and a decoder"):
        text_classification(data_dir=folder, model=checkpoint, max_length=32)
