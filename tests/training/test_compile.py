"""Updates that are compiled, in minibatches of one size."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch._dynamo
import torch.nn.functional as F
from torch import Tensor, nn
from torch._dynamo.utils import counters

from data_select_gym.tasks import Classification
from data_select_gym.tasks.detection import Detection
from data_select_gym.tasks.language.language_objective import IGNORED, LanguageModelling
from data_select_gym.tasks.regression import Regression
from data_select_gym.training import NonFiniteLossError, RunConfig, TrainingRun
from data_select_gym.training.compiled import CompiledForward

from ..tiers import slow
from .small_runs import (
    BATCH,
    POOL,
    SAMPLES,
    Counted,
    begun,
    finished,
    first,
    keep_all,
    lengthy_task,
    perceptron,
    small_task,
    state,
    tensors,
    weights_of,
    with_dropout,
)

# They come of what torch.compile imports, and of how it looks at tensors.
pytestmark = [
    pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning"),
]
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def nothing_compiled_yet() -> None:
    torch.compiler.reset()
    counters.clear()


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> None:
    """All is as if it were compiled, but operators are called one by one, since a C++ compiler takes seconds."""
    compile_ = torch.compile
    monkeypatch.setattr(torch, "compile", lambda call, options: compile_(call, backend="aot_eager"))


def graphs() -> int:
    return counters["stats"]["unique_graphs"]


def close(one: TrainingRun, other: TrainingRun) -> None:
    """Check that two runs have learnt and recorded nearly the same."""
    for name, value in one.model.state_dict().items():
        assert torch.allclose(value, other.model.state_dict()[name], atol=1e-4), name
    for name, column in one.ledger.columns.items():
        assert torch.allclose(column.float(), other.ledger.columns[name].float(), atol=1e-3), name


@pytest.mark.slow
def test_a_compiled_run_is_close_to_a_plain_one_and_compiles_one_graph(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    plain, compiled = begun(), begun(compile=True)
    before = graphs()
    for kept in [BATCH, 2 * BATCH, 3 * BATCH]:
        for run in (plain, compiled):
            run.step(first(kept))
        close(plain, compiled)
    finished(compiled)
    # Of the model; and before that, of what tells whether there is a compiler.
    assert graphs() == before == 2


def test_nothing_is_compiled_anew_however_many_are_kept_and_in_later_runs(traced: None) -> None:
    task = small_task(make_model=Deep)
    run = begun(task, compile=True, record={"embedding"})
    before = graphs()
    for kept in (3, 12, 5, 2):
        run.read_pool(fresh=True)
        run.step(first(kept))
    finished(begun(task, compile=True, record={"embedding"}))
    assert graphs() == before == 2
    assert not counters["graph_break"]


@pytest.mark.parametrize("kept", [2, *map(slow, range(3, 7)), 7, *map(slow, range(8, POOL)), POOL])
def test_minibatches_are_filled_up_and_that_counts_in_the_cost(traced: None, kept: int) -> None:
    seen: list[int] = []

    def augment(inputs: Tensor, generator: torch.Generator) -> Tensor:
        seen.append(len(inputs))
        return inputs

    run = begun(lengthy_task(augment=augment), compile=True)
    assert run.costs.tokens is not None
    trained, tokens = run.costs.trained, run.costs.tokens.trained
    record = run.select(first(kept))
    sizes = [len(part) for part in record.minibatches]
    assert len(sizes) == math.ceil(kept / BATCH) and max(sizes) - min(sizes) <= 1 and sum(sizes) == kept
    assert set(seen) == {BATCH}
    assert run.costs.trained - trained == BATCH * len(sizes)
    filled = [part[torch.arange(BATCH) % len(part)] for part in record.minibatches]
    assert run.costs.tokens.trained - tokens == int((record.indices[torch.cat(filled)] + 1).sum())
    assert record.kept.tolist() == first(kept).tolist()


def test_repeats_change_neither_the_update_nor_what_is_recorded(traced: None) -> None:
    # A pool is smaller than a minibatch, which is then as large as the pool: 5 samples and 7 repeats.
    run = begun(small_task(batch_size=100), compile=True)
    weights = torch.tensor([2.0, 0.0, 0.5, 1.5, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    kept = weights > 0
    before = [parameter.detach().clone() for parameter in run.model.parameters()]
    inputs, targets = (tensor[run.pool] for tensor in tensors(SAMPLES, 0).tensors)
    losses = F.cross_entropy(run.model(inputs), targets, reduction="none")
    gradients = torch.autograd.grad((weights * losses).sum() / 5, list(run.model.parameters()))
    _, expected = Classification()(run.model, inputs, targets, embed=False)
    visits = run.ledger.visits[run.pool]
    record = run.select(weights)
    for parameter, old, gradient in zip(run.model.parameters(), before, gradients, strict=True):
        assert torch.allclose(parameter, old - 0.5 * gradient, atol=1e-6)
    for name, column in expected.columns().items():
        assert torch.allclose(record.fresh.columns()[name][kept].float(), column[kept].float(), atol=1e-6), name
    assert record.train_loss.item() == pytest.approx(losses[kept].mean().item())
    assert run.ledger.visits[record.indices].tolist() == (visits + kept).tolist()


@pytest.mark.parametrize("changes", [{"max_grad_norm": 0.1}, {"precision": "bfloat16"}])
def test_recipes_are_followed_as_before(traced: None, changes: dict[str, Any]) -> None:
    close(
        finished(begun(small_task(**changes)), keep_all), finished(begun(small_task(**changes), compile=True), keep_all)
    )


def test_dropped_samples_are_not_opened(traced: None) -> None:
    dataset = Counted()
    run = begun(small_task(train=dataset), compile=True)
    dataset.opened.clear()
    record = run.step(first(5))
    assert dataset.opened.keys() == set(record.indices[:5].tolist())


def test_a_run_goes_on_to_the_bit(traced: None) -> None:
    task = small_task(make_model=with_dropout)
    run = begun(task, compile=True)
    run.step(first(5))
    resumed = TrainingRun(task, RunConfig(pool_size=POOL, device="cpu", compile=True), seed=0)
    resumed.load_state_dict(run.state_dict())
    assert state(finished(resumed)) == state(finished(run))


def test_the_model_outside_updates_is_as_it_was_made(traced: None) -> None:
    run = finished(begun(compile=True))
    assert run.model.state_dict().keys() == small_task().make_model().state_dict().keys()
    before = graphs()
    assert run.model(torch.zeros(1, 3)).shape == (1, 3)
    assert graphs() == before and "forward" not in vars(run.model)


def test_a_forward_of_a_models_own_is_put_back(traced: None) -> None:
    model = nn.Linear(3, 3)
    own = model.forward = lambda inputs: inputs + 1
    compiled = CompiledForward(model, CPU)
    with pytest.raises(ZeroDivisionError), compiled.used():
        assert model(torch.zeros(1, 3)).tolist() == [[1, 1, 1]]
        assert graphs() == 2
        raise ZeroDivisionError
    assert model.forward is own


@pytest.mark.parametrize("on_non_finite", ["stop", "skip"])
def test_a_loss_that_is_not_finite_is_told_of_the_kept_samples(traced: None, on_non_finite: str) -> None:
    dataset = tensors(SAMPLES, 0)
    dataset.tensors[0][:] = math.nan
    run = TrainingRun(
        small_task(train=dataset),
        RunConfig(pool_size=POOL, warmup_epochs=0, device="cpu", compile=True, on_non_finite=on_non_finite),
        seed=0,
    )
    before = {name: value.tolist() for name, value in run.model.state_dict().items()}
    message = "^3 of the 3 losses of a minibatch are not finite"
    if on_non_finite == "stop":
        with pytest.raises(NonFiniteLossError, match=message):
            run.step(first(3))
    else:
        with pytest.warns(RuntimeWarning, match=message):
            assert not run.step(first(3)).kept.any()
        assert run.costs.trained == BATCH and run.skipped == 1
    assert {name: value.tolist() for name, value in run.model.state_dict().items()} == before


class Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.head = nn.Embedding(5, 4), nn.Linear(4, 5)

    def forward(self, tokens: Tensor) -> Tensor:
        logits: Tensor = self.head(self.first(tokens).relu())
        return logits


class Boxes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.scores = nn.Linear(2, 4), nn.Linear(4, 3)

    def forward(self, images: list[Tensor], targets: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        logits = self.scores(self.body(images[0]).relu())
        return {"loss": F.cross_entropy(logits, targets[0]["labels"])}


class Deep(nn.Module):
    """Its last layer lies within others."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Sequential(nn.Linear(4, 4), nn.Tanh()))

    def forward(self, inputs: Tensor) -> Tensor:
        output: Tensor = self.body(inputs)
        return output


def labelled() -> tuple[Any, Any]:
    return torch.randn(6, 3), torch.randint(4, (6,))


def numbered() -> tuple[Any, Any]:
    return torch.randn(6, 3), torch.randn(6, 4)


def sentences() -> tuple[Any, Any]:
    tokens = torch.randint(5, (2, 4 + int(torch.randint(5, ()))))
    targets = torch.where(torch.rand(tokens.shape) < 0.5, tokens, IGNORED)
    targets[:, -1] = tokens[:, -1]
    return tokens, targets


def scenes() -> tuple[Any, Any]:
    return [torch.randn(5, 2) for _ in range(2)], [{"labels": torch.randint(3, (5,))} for _ in range(2)]


@pytest.mark.parametrize(
    ("objective", "make_model", "batch"),
    [
        (Classification(), Deep, labelled),
        (Classification(head="body.0"), Deep, labelled),
        (Regression(), Deep, numbered),
        (LanguageModelling(), Tokens, sentences),
        (Detection(scores="scores"), Boxes, scenes),
    ],
)
def test_losses_and_signals_of_every_batch_are_its_own(
    traced: None, objective: Any, make_model: Callable[[], nn.Module], batch: Callable[[], tuple[Any, Any]]
) -> None:
    torch.manual_seed(0)
    model = make_model()
    compiled = CompiledForward(model, CPU)
    for number in range(6):
        inputs, targets = batch()
        plain, expected = objective(model, inputs, targets, embed=True)
        with compiled.used():
            losses, signals = objective(model, inputs, targets, embed=True)
        assert torch.allclose(losses, plain, atol=1e-6)
        for name, column in expected.columns().items():
            assert torch.allclose(signals.columns()[name].float(), column.float(), atol=1e-6), name
        if number == 2:  # sizes that vary are known to do so by then
            before = graphs()
    assert graphs() == before > 1


def test_the_embeddings_of_every_step_are_its_own(traced: None) -> None:
    run, plain = (begun(compile=compile, record={"embedding"}) for compile in (True, False))
    for kept in (4, 8, 12, 4):
        record, expected = run.step(first(kept)), plain.step(first(kept))
        assert record.fresh.embedding is not None and expected.fresh.embedding is not None
        assert torch.allclose(record.fresh.embedding.float(), expected.fresh.embedding.float(), atol=1e-3)


def test_what_is_recorded_outlasts_the_next_minibatch(monkeypatch: pytest.MonkeyPatch) -> None:
    def overwriting(call: Any, options: Any) -> Any:
        last: list[Tensor] = []

        def run(*inputs: Tensor) -> Any:
            for tensor in last:
                tensor.zero_()
            output = call(*inputs)
            last[:] = [*seen, output.detach()]
            seen.clear()
            return output

        seen: list[Tensor] = []
        if isinstance(getattr(call, "__self__", None), nn.Module):
            call.__self__[-1].register_forward_pre_hook(lambda _, given: seen.append(given[0].detach()))
        return run

    # As a CUDA graph does, whose output is always in the same place.
    monkeypatch.setattr(torch, "compile", overwriting)
    record, expected = (
        begun(compile=compile, record={"embedding"}).step(torch.ones(POOL)) for compile in (True, False)
    )
    assert len(record.minibatches) == 3
    for name, column in expected.fresh.columns().items():
        assert torch.equal(record.fresh.columns()[name], column), name


def test_without_a_compiler_there_is_an_error_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    import torch._inductor.config

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", ("no-such-compiler",))
    with pytest.raises(
        ValueError, match=r"^compile=True cannot be used here \(.*no-such-compiler.*\); torch.compile needs"
    ):
        begun(compile=True)


@pytest.mark.slow
@pytest.mark.parametrize("make_model", [perceptron, Deep])
def test_runs_of_one_kind_of_model_with_embeddings_and_without_do_not_share_a_graph(
    traced: None, make_model: Callable[[], nn.Module]
) -> None:
    task = small_task(make_model=make_model)
    for settings in ({}, {"record": {"embedding"}}, {"record": {"alignment"}}, {}, {"record": {"embedding"}}):
        plain, compiled = (finished(begun(task, compile=compile, **settings)) for compile in (False, True))
        assert plain.ledger.columns.keys() == compiled.ledger.columns.keys()
        assert compiled.ledger.columns["loss"].isfinite().all()
    before = graphs()
    for settings in ({}, {"record": {"embedding"}}):
        finished(begun(task, compile=True, **settings))
    assert graphs() == before == 3


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda run: pickle.loads(pickle.dumps(run))])
def test_a_copy_of_a_run_trains_its_own_model(traced: None, copied: Callable[[TrainingRun], TrainingRun]) -> None:
    run = begun(compile=True)
    other = copied(run)
    expected = state(finished(begun(compile=True)))
    before = weights_of(run)
    assert state(finished(other)) == expected and weights_of(run) == before
    assert state(finished(run)) == expected
