from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.utils.data import TensorDataset

from data_select_gym.signals import Signals
from data_select_gym.tasks import Classification, make_task
from data_select_gym.training import RunConfig, TrainingRun

from .small_runs import SAMPLES, begun, finished, first, keep_all, small_task, state, tensors, weights_of


def test_keeping_everything_is_ordinary_training_to_the_bit() -> None:
    task = make_task("digits", epochs=3)
    run = TrainingRun(task, RunConfig(device="cpu"), seed=7)
    run.warm_up()
    losses = []
    while not run.done:
        record = run.step(keep_all(run))
        losses.append((record.indices[torch.cat(record.minibatches)].tolist(), record.fresh.loss.tolist()))
    assert isinstance(task.train, TensorDataset)
    images, labels = task.train.tensors
    weights_seed, pool_seed, order_seed, _ = np.random.SeedSequence(7).generate_state(4).tolist()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(weights_seed)
        model = task.make_model()
    optimizer = task.recipe.optimizer(model.parameters())
    rate = optimizer.param_groups[0]["lr"]
    pool_random, order_random = (torch.Generator().manual_seed(seed) for seed in (pool_seed, order_seed))
    expected: list[Any] = []
    step = 0
    for _ in range(3):
        # 1,280 scans are ten pools of 128, each of eight batches of 16.
        for pool in torch.randperm(1280, generator=pool_random).view(10, 128):
            positions = torch.randperm(128, generator=order_random)
            pool_losses = torch.zeros(128)
            for batch in positions.view(8, 16):
                optimizer.param_groups[0]["lr"] = rate * task.recipe.schedule(step / 240)
                logits = model(images[pool[batch]])
                optimizer.zero_grad()
                F.cross_entropy(logits, labels[pool[batch]]).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                pool_losses[batch] = F.cross_entropy(logits, labels[pool[batch]], reduction="none").detach()
                step += 1
            expected.append((pool[positions].tolist(), pool_losses.tolist()))
    assert losses == expected[10:20]
    assert weights_of(run) == [value.tolist() for value in model.state_dict().values()]
    assert run.quality > 0.5 and run.cost == 1


def test_an_update_is_that_of_the_mean_weighted_loss() -> None:
    run = begun(small_task(batch_size=100))
    weights = torch.tensor([2.0, 0.0, 0.5, 1.5, 0.0, 1.0] * 2)
    before = [parameter.detach().clone() for parameter in run.model.parameters()]
    inputs, targets = (tensor[run.pool] for tensor in tensors(SAMPLES, 0).tensors)
    losses = F.cross_entropy(run.model(inputs), targets, reduction="none")
    # Eight of the twelve are kept, and the mean is over those.
    gradients = torch.autograd.grad((weights * losses).sum() / 8, list(run.model.parameters()))
    record = run.step(weights)
    assert torch.equal(record.kept, weights > 0)
    for parameter, old, gradient in zip(run.model.parameters(), before, gradients, strict=True):
        assert torch.allclose(parameter, old - 0.5 * gradient, atol=1e-6)
    assert record.train_loss.item() == pytest.approx(losses[record.kept].mean().item())


def test_a_weight_of_one_is_a_kept_sample() -> None:
    masked, weighted = begun(), begun()
    masked.step(first(7))
    weighted.step(first(7).double())
    assert state(masked) == state(weighted)


def test_signals_come_from_the_forward_pass_that_trains() -> None:
    run = begun(small_task(batch_size=100), record={"embedding"})
    inputs, targets = (tensor[run.pool] for tensor in tensors(SAMPLES, 0).tensors)
    recorded = run.read_pool()
    with torch.no_grad():
        losses, expected = Classification()(run.model, inputs, targets, embed=True)
    record = run.step(first(5))
    assert torch.allclose(record.fresh.loss[:5], losses[:5], atol=1e-6)
    assert record.fresh.embedding is not None and expected.embedding is not None
    assert torch.allclose(record.fresh.embedding[:5].float(), expected.embedding[:5], rtol=1e-3, atol=1e-6)
    for name, column in record.fresh.columns().items():
        assert torch.equal(column[5:], recorded.columns()[name][5:])
        assert torch.equal(record.recorded.columns()[name], recorded.columns()[name])
        assert torch.equal(run.ledger.read(record.indices).columns()[name], column)


def test_mixed_precision_trains_and_records_full_precision() -> None:
    plain = finished(begun(small_task(), record={"embedding"}), keep_all)
    mixed = finished(begun(small_task(precision="bfloat16"), record={"embedding"}), keep_all)
    assert weights_of(mixed) != weights_of(plain)
    assert all(parameter.dtype == torch.float32 for parameter in mixed.model.parameters())
    signals = mixed.read_pool()
    assert isinstance(signals, Signals) and signals.embedding is not None
    assert (signals.loss.dtype, signals.embedding.dtype) == (torch.float32, torch.float16)
    assert torch.allclose(mixed.ledger.columns["loss"], plain.ledger.columns["loss"], atol=0.1)
