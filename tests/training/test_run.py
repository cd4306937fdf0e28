import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import Dataset, TensorDataset

from data_select_gym.signals import Signals
from data_select_gym.tasks import Classification, Recipe, Task, make_task
from data_select_gym.training import TrainingRun

SAMPLES, POOL, BATCH = 26, 12, 4  # two pools an epoch, and two samples left over
Choice = Callable[[TrainingRun], Tensor]


def tensors(count: int, seed: int) -> TensorDataset:
    inputs = torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))
    return TensorDataset(inputs, inputs.argmax(dim=1))


def perceptron() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 3))


def with_dropout() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Dropout(0.5), nn.Linear(5, 3))


def sgd(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.5)


def small_task(*, train: Dataset[Any] | None = None, make_model: Any = perceptron, **changes: Any) -> Task:
    recipe: dict[str, Any] = {"epochs": 4, "batch_size": BATCH, "optimizer": sgd} | changes
    return Task(
        name="small",
        train=tensors(SAMPLES, 0) if train is None else train,
        validation=tensors(6, 1),
        test=tensors(7, 2),
        make_model=make_model,
        objective=Classification(),
        recipe=Recipe(**recipe),
    )


def begun(task: Task | None = None, *, seed: int = 0, **settings: Any) -> TrainingRun:
    run = TrainingRun(task or small_task(), seed=seed, device="cpu", **{"pool_size": POOL} | settings)
    run.warm_up()
    return run


def keep_all(run: TrainingRun) -> Tensor:
    return torch.ones(run.plan.pool_size)


def keep_none(run: TrainingRun) -> Tensor:
    return torch.zeros(run.plan.pool_size)


def keep_hard(run: TrainingRun) -> Tensor:
    loss = run.read_pool().loss
    return loss >= loss.median()


def first(count: int, pool_size: int = POOL) -> Tensor:
    return torch.arange(pool_size) < count


def finished(run: TrainingRun, choose: Choice = keep_hard) -> TrainingRun:
    while not run.done:
        run.step(choose(run))
    return run


def state(run: TrainingRun) -> dict[str, Any]:
    """Everything that a run has learnt and recorded."""
    ledger = run.ledger
    counts = {"visits": ledger.visits, "last_visit": ledger.last_visit, "previous_loss": ledger.previous_loss}
    columns = {**run.model.state_dict(), **ledger.columns, **counts}
    return {name: column.tolist() for name, column in columns.items()} | {
        "evaluations": list(run.evaluations),
        "cost": run.cost,
        "pool_number": run.pool_number,
        "pool": run.pool.tolist(),
    }


def weights_of(run: TrainingRun) -> list[Any]:
    return [value.tolist() for value in run.model.state_dict().values()]


def test_keeping_everything_is_ordinary_training_to_the_bit() -> None:
    task = make_task("digits", epochs=3)
    run = TrainingRun(task, seed=7, device="cpu")
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


@pytest.mark.parametrize("kept", range(2, POOL + 1))
def test_minibatches_are_as_many_as_the_kept_samples_ask_for_and_of_nearly_equal_size(kept: int) -> None:
    run = begun()
    mask = torch.zeros(POOL, dtype=torch.bool)
    mask[torch.randperm(POOL, generator=torch.Generator().manual_seed(kept))[:kept]] = True
    record = run.step(mask)
    sizes = [len(part) for part in record.minibatches]
    assert len(sizes) == max(1, round(kept / BATCH))
    assert max(sizes) - min(sizes) <= 1
    assert torch.cat(record.minibatches).sort().values.tolist() == mask.nonzero().squeeze(1).tolist()
    assert torch.equal(record.kept, mask)


@pytest.mark.parametrize("batch_size", [2, 3, 100])
def test_no_minibatch_is_too_small_for_batch_normalisation(batch_size: int) -> None:
    for kept in range(2, POOL + 1):
        record = begun(small_task(make_model=with_dropout, batch_size=batch_size)).step(first(kept))
        assert min(len(part) for part in record.minibatches) >= 2


@pytest.mark.parametrize("kept", [0, 1])
def test_fewer_than_two_kept_samples_change_nothing_and_the_run_goes_on(kept: int) -> None:
    run = begun(small_task(make_model=with_dropout))
    before = state(run)
    record = run.step(first(kept))
    after = state(run)
    assert record.minibatches == () and not record.kept.any() and record.train_loss == 0
    assert torch.equal(record.fresh.loss, record.recorded.loss)
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {"pool_number", "pool"}
    assert run.progress == 3 / 8
    assert finished(run).evaluations[-1].progress == 1


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
    run = begun(small_task(batch_size=100), embeddings=True)
    inputs, targets = (tensor[run.pool] for tensor in tensors(SAMPLES, 0).tensors)
    recorded = run.read_pool()
    with torch.no_grad():
        losses, expected = Classification()(run.model, inputs, targets, embed=True)
    record = run.step(first(5))
    assert torch.allclose(record.fresh.loss[:5], losses[:5], atol=1e-6)
    assert record.fresh.embedding is not None and expected.embedding is not None
    assert torch.allclose(record.fresh.embedding[:5], expected.embedding[:5], atol=1e-6)
    for name, column in record.fresh.columns().items():
        assert torch.equal(column[5:], recorded.columns()[name][5:])
        assert torch.equal(record.recorded.columns()[name], recorded.columns()[name])
        assert torch.equal(run.ledger.read(record.indices).columns()[name], column)


def test_a_run_that_diverges_goes_on_to_its_end() -> None:
    def too_fast(parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=1e30)

    run = finished(begun(small_task(optimizer=too_fast)), keep_all)
    assert not run.read_pool().loss.isfinite().all()
    assert run.cost == 1 and run.evaluations[-1].progress == 1


def test_visits_and_their_dates_are_those_of_the_kept_samples() -> None:
    run = begun()
    before = run.ledger.visits.clone()
    record = run.step(first(5))
    assert (run.ledger.visits - before).nonzero().squeeze(1).tolist() == sorted(record.indices[:5].tolist())
    assert run.ledger.last_visit[record.indices[:5]].tolist() == [2] * 5
    assert set(run.ledger.last_visit[record.indices[5:]].tolist()) <= {-1, 0, 1}


def test_dropped_samples_are_not_opened() -> None:
    class Counted(Dataset[Any]):
        def __init__(self) -> None:
            self.samples, self.opened = tensors(SAMPLES, 0), Counter[int]()

        def __len__(self) -> int:
            return SAMPLES

        def __getitem__(self, index: int) -> Any:
            self.opened[index] += 1
            return self.samples[index]

    dataset = Counted()
    run, resident = begun(small_task(train=dataset)), begun()
    dataset.opened.clear()
    record = run.step(first(5))
    assert dataset.opened == Counter(record.indices[:5].tolist())
    resident.step(first(5))
    assert state(run) == state(resident)


def test_cost_is_samples_trained_on_over_those_of_a_full_run() -> None:
    run = begun()
    # 2 pools of 12 in each of 4 epochs
    assert run.cost == 24 / 96
    run.step(first(5))
    assert run.cost == 29 / 96
    run.step(first(1))
    assert run.cost == 29 / 96
    # The step that reaches the last epoch trains that too.
    run.step(first(3))
    run.step(first(12))
    assert run.done and run.cost == (24 + 5 + 3 + 12 + 24) / 96


def test_a_fresh_look_costs_a_third_and_is_recorded() -> None:
    run = begun(small_task(make_model=with_dropout))
    run.step(first(5))
    weights, visits = weights_of(run), run.ledger.visits.tolist()
    signals = run.read_pool(fresh=True)
    assert run.cost == pytest.approx((24 + 5 + 12 / 3) / 96)
    inputs, targets = (tensor[run.pool] for tensor in tensors(SAMPLES, 0).tensors)
    with torch.no_grad():
        _, expected = Classification()(run.model.eval(), inputs, targets, embed=False)
    for name, column in expected.columns().items():
        assert torch.allclose(signals.columns()[name].float(), column.float(), atol=1e-6)
    assert torch.equal(run.read_pool().loss, signals.loss)
    assert run.cost == pytest.approx(33 / 96)
    assert weights_of(run) == weights and run.ledger.visits.tolist() == visits


class Noisy(Dataset[Any]):
    """Draws from all global generators for each sample."""

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        noise = torch.rand(3) + torch.tensor([random.random(), np.random.rand(), 0.0])
        return noise + index / SAMPLES, index % 3


def noisy_task() -> Task:
    def augment(inputs: Tensor, generator: torch.Generator) -> Tensor:
        return inputs + torch.rand(inputs.shape, generator=generator)

    task = small_task(train=Noisy(), make_model=with_dropout, augment=augment)
    return replace(task, validation=Noisy(), test=Noisy())


@pytest.mark.parametrize("make", [small_task, noisy_task])
def test_the_same_seed_is_the_same_run_to_the_bit(make: Callable[[], Task]) -> None:
    assert state(finished(begun(make(), seed=3))) == state(finished(begun(make(), seed=3)))


@pytest.mark.parametrize("make", [small_task, noisy_task])
def test_another_seed_is_another_run(make: Callable[[], Task]) -> None:
    one, other = begun(make(), seed=3), begun(make(), seed=4)
    assert one.pool.tolist() != other.pool.tolist()
    assert weights_of(finished(one)) != weights_of(finished(other))


def global_states() -> tuple[Any, ...]:
    return random.getstate(), str(np.random.get_state(legacy=False)), torch.get_rng_state().tolist()


def test_a_run_leaves_the_global_generators_alone() -> None:
    before = global_states()
    run = begun(noisy_task())
    run.read_pool(fresh=True)
    finished(run)
    assert global_states() == before


def test_an_error_in_a_run_leaves_the_global_generators_alone() -> None:
    class Broken(nn.Linear):
        def forward(self, inputs: Tensor) -> Tensor:
            if self.training:
                random.random(), np.random.rand(), torch.rand(1)
                raise ArithmeticError
            return super().forward(inputs)

    before = global_states()
    with pytest.raises(ArithmeticError):
        begun(small_task(make_model=lambda: Broken(3, 3)))
    assert global_states() == before


def test_what_others_draw_does_not_change_a_run() -> None:
    def disturb(run: TrainingRun) -> Tensor:
        random.random(), np.random.rand(), torch.rand(1)
        torch.manual_seed(run.pool_number)
        return keep_hard(run)

    expected = state(finished(begun(noisy_task())))
    random.random(), np.random.rand(), torch.rand(1)
    assert state(finished(begun(noisy_task()), disturb)) == expected


def test_no_draw_comes_twice_in_a_run() -> None:
    draws: list[float] = []

    class Drawing(nn.Linear):
        def forward(self, inputs: Tensor) -> Tensor:
            draws.extend([random.random(), np.random.rand(), torch.rand(1).item()])
            return super().forward(inputs)

    finished(begun(small_task(make_model=lambda: Drawing(3, 3))))
    assert len(set(draws)) == len(draws) > 60


def test_runs_side_by_side_do_not_disturb_each_other() -> None:
    alone = [state(finished(begun(noisy_task(), seed=seed))) for seed in (1, 2)]
    runs = [begun(noisy_task(), seed=seed) for seed in (1, 2)]
    while not runs[0].done:
        for run in runs:
            run.step(keep_hard(run))
    assert [state(run) for run in runs] == alone


def test_pools_do_not_depend_on_what_is_kept() -> None:
    shown = []
    for choose in (keep_all, keep_none, keep_hard):
        run = begun()
        shown.append([run.step(choose(run)).indices.tolist() for _ in range(4)])
        assert run.done
    assert shown[0] == shown[1] == shown[2]


@pytest.mark.parametrize("length", [1.0, 0.75])
def test_the_learning_rate_follows_progress_whatever_was_dropped(length: float) -> None:
    asked: list[float] = []
    rates: list[float] = []

    def schedule(progress: float) -> float:
        asked.append(progress)
        return 1 - progress

    def watch(run: TrainingRun) -> None:
        rates.append(run.trainer.optimizer.param_groups[0]["lr"])

    task = small_task(schedule=schedule)
    full = finished(begun(task, length=length, on_pool=watch), keep_all)
    full_asked, full_rates = list(asked), list(rates)
    total = round(8 * length)
    # Three updates a pool, spread evenly over the run.
    assert full_asked == pytest.approx([update / (3 * total) for update in range(3 * total)])
    assert full_rates == pytest.approx([0.5 * (1 - (3 * pool - 1) / (3 * total)) for pool in range(1, total + 1)])
    asked.clear()
    rates.clear()
    none = finished(begun(task, length=length, on_pool=watch), keep_none)
    assert asked == full_asked[:6] + full_asked[-6:]
    assert rates[-2:] == full_rates[-2:]
    assert full.progress == none.progress == 1 and full.pool_number == none.pool_number == total
    assert full.cost == length


def test_each_group_of_parameters_has_its_own_largest_learning_rate() -> None:
    def optimizer(parameters: Any) -> torch.optim.Optimizer:
        weight, bias = parameters
        return torch.optim.SGD([{"params": [weight], "lr": 0.2}, {"params": [bias], "lr": 0.1}])

    task = small_task(make_model=lambda: nn.Linear(3, 3), optimizer=optimizer, schedule=lambda progress: 0.5)
    assert [group["lr"] for group in begun(task).trainer.optimizer.param_groups] == [0.1, 0.05]


def test_evaluation_is_on_validation_each_epoch_and_on_test_at_the_end() -> None:
    run = begun(small_task(make_model=with_dropout))
    assert len(run.evaluations) == 1
    assert run.step(keep_all(run)).evaluations == ()
    assert [evaluation.epoch for evaluation in run.step(first(6)).evaluations] == [2]
    run.step(keep_all(run))
    # The step that reaches the annealing epoch trains that too.
    assert [evaluation.epoch for evaluation in run.step(keep_all(run)).evaluations] == [3, 4]
    assert [evaluation.progress for evaluation in run.evaluations] == [0.25, 0.5, 0.75, 1]
    assert [evaluation.cost for evaluation in run.evaluations] == [24 / 96, 42 / 96, 66 / 96, 90 / 96]
    assert all(evaluation.test == {} for evaluation in run.evaluations[:-1])
    last = run.evaluations[-1]
    for metrics, dataset in [(last.validation, tensors(6, 1)), (last.test, tensors(7, 2))]:
        inputs, targets = dataset.tensors
        logits = run.model.eval()(inputs)
        assert metrics["loss"] == pytest.approx(F.cross_entropy(logits, targets).item())
        assert metrics["accuracy"] == pytest.approx((logits.argmax(1) == targets).float().mean().item())
    assert last.metrics().keys() == {"val_accuracy", "val_loss", "test_accuracy", "test_loss"}
    assert run.quality == last.test["accuracy"]


def test_quality_is_on_validation_where_there_is_no_test_set() -> None:
    run = finished(begun(replace(small_task(), test=None)))
    assert run.evaluations[-1].test == {}
    assert run.quality == run.evaluations[-1].validation["accuracy"]


def test_a_shortened_run_is_evaluated_where_it_ends() -> None:
    run = finished(begun(length=0.9))
    # 0.9 of 8 pools are 7, which are three epochs and a half.
    assert [evaluation.epoch for evaluation in run.evaluations] == [1, 2, 3, 3.5]
    assert run.evaluations[-1].test and run.evaluations[-1].progress == 1


@pytest.mark.parametrize(("samples", "pool_size", "epochs"), [(26, 12, 4), (10, 10, 5), (23, 5, 3), (9, 2, 3)])
def test_a_run_that_is_over_has_shown_all_its_pools(samples: int, pool_size: int, epochs: int) -> None:
    pools: list[int] = []
    task = small_task(train=tensors(samples, 0), epochs=epochs)
    run = begun(task, pool_size=pool_size, on_pool=lambda run: pools.append(run.pool_number))
    assert pools == list(range(1, samples // pool_size + 1)) and not run.done
    finished(run)
    assert run.progress == 1 and run.done
    assert pools == list(range(1, samples // pool_size * epochs + 1))
    assert len(run.evaluations) == epochs
    assert len(run.pool) == pool_size and len(run.read_pool()) == pool_size


def test_steps_come_after_the_warm_up_and_before_the_end() -> None:
    run = TrainingRun(small_task(), seed=0, pool_size=POOL, device="cpu")
    with pytest.raises(RuntimeError, match=r"^step\(\) was called before warm_up\(\)$"):
        run.step(keep_all(run))
    run.warm_up()
    with pytest.raises(RuntimeError, match=r"^warm_up\(\) comes first, and this run has begun already$"):
        run.warm_up()
    with pytest.raises(RuntimeError, match=r"^quality is known at the end of the run"):
        _ = run.quality
    finished(run)
    before = state(run)
    with pytest.raises(RuntimeError, match=r"^step\(\) was called on a run that is over$"):
        run.step(keep_all(run))
    assert state(run) == before


def test_the_warm_up_fills_the_ledger_with_all_samples_shown() -> None:
    run = begun()
    assert run.ledger.visits.sum() == 24 and run.ledger.visits.max() == 1
    assert torch.equal(run.ledger.columns["loss"].isfinite(), run.ledger.visits == 1)


def test_a_run_without_warm_up_starts_with_samples_never_seen() -> None:
    run = TrainingRun(small_task(), seed=0, pool_size=POOL, warmup_epochs=0, device="cpu")
    assert run.read_pool().loss.isinf().all()
    assert finished(run, keep_all).cost == 1


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (torch.ones(POOL - 1), r"^weights has shape \(11,\); one for each of the pool's 12 is needed$"),
        (torch.ones(POOL, 1), r"^weights has shape \(12, 1\);"),
        (torch.tensor([1.0, -0.5] * 6), r"^weights\[1\]=-0.5; each must be finite and at least 0$"),
        (torch.tensor([1.0, 1.0, torch.nan] * 4), r"^weights\[2\]=nan;"),
        (torch.tensor([torch.inf, 1.0] * 6), r"^weights\[0\]=inf;"),
    ],
)
def test_wrong_weights_are_refused_and_change_nothing(weights: Tensor, message: str) -> None:
    run, other = begun(noisy_task()), begun(noisy_task())
    before = state(run)
    with pytest.raises(ValueError, match=message):
        run.step(weights)
    assert state(run) == before
    assert state(finished(run)) == state(finished(other))


@pytest.mark.parametrize(
    "make_model",
    [lambda: nn.Linear(3, 1), lambda: nn.Unflatten(1, (3, 1)), lambda: nn.GRU(3, 3)],
    ids=["one logit", "three dimensions", "two outputs"],
)
def test_a_model_that_does_not_fit_the_objective_is_refused_at_once(make_model: Callable[[], nn.Module]) -> None:
    with pytest.raises(ValueError, match=r"^the model's output is .*; classification needs"):
        TrainingRun(small_task(make_model=make_model), seed=0, device="cpu")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"seed": -1}, r"^seed=-1 is not a whole number of at least 0$"),
        ({"seed": 1.0}, r"^seed=1.0 is not a whole number of at least 0$"),
        ({"pool_size": 1}, r"^pool_size=1 is not a whole number of at least 2 and at most 26$"),
        ({"pool_size": 4.0}, r"^pool_size=4.0 is not a whole number of at least 2 and at most 26$"),
        ({"pool_size": 27}, r"^pool_size=27 is not a whole number of at least 2 and at most 26$"),
        ({"warmup_epochs": 3}, r"^epochs=4 with warmup_epochs=3.* leaves no step to select at"),
        ({"device": "abacus"}, r"^device='abacus' cannot be used"),
    ],
)
def test_arguments_are_checked(wrong: dict[str, Any], message: str) -> None:
    settings: dict[str, Any] = {"seed": 0, "device": "cpu"} | wrong
    with pytest.raises(ValueError, match=message):
        TrainingRun(small_task(), **settings)


def test_whole_numbers_may_be_of_numpy() -> None:
    run = begun(seed=np.int64(2), pool_size=np.int32(5), warmup_epochs=np.uint8(1))  # type: ignore[arg-type]
    assert state(finished(run)) == state(finished(begun(seed=2, pool_size=5)))


def test_mixed_precision_trains_and_records_full_precision() -> None:
    plain = finished(begun(small_task(), embeddings=True), keep_all)
    mixed = finished(begun(small_task(precision="bfloat16"), embeddings=True), keep_all)
    assert weights_of(mixed) != weights_of(plain)
    assert all(parameter.dtype == torch.float32 for parameter in mixed.model.parameters())
    signals = mixed.read_pool()
    assert isinstance(signals, Signals) and signals.embedding is not None
    assert signals.loss.dtype == signals.embedding.dtype == torch.float32
    assert torch.allclose(mixed.ledger.columns["loss"], plain.ledger.columns["loss"], atol=0.1)


def test_an_augmentation_sees_every_training_batch_and_no_other() -> None:
    seen: list[Tensor] = []

    def augment(inputs: Tensor, generator: torch.Generator) -> Tensor:
        seen.append(inputs)
        return torch.zeros_like(inputs)

    run = begun(small_task(augment=augment))
    run.read_pool(fresh=True)
    run.step(first(4))
    assert [len(inputs) for inputs in seen] == [4] * 7
    # All inputs look alike to the model, so that losses differ by label alone.
    record = run.step(first(2))
    assert record.fresh.confidence[0] == record.fresh.confidence[1]
