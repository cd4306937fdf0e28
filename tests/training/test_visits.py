import torch

from data_select_gym.training import RunConfig, TrainingRun

from .small_runs import POOL, begun, finished, first, keep_all, small_task


def test_visits_and_their_dates_are_those_of_the_kept_samples() -> None:
    run = begun()
    before = run.ledger.visits.clone()
    record = run.step(first(5))
    assert (run.ledger.visits - before).nonzero().squeeze(1).tolist() == sorted(record.indices[:5].tolist())
    assert run.ledger.last_visit[record.indices[:5]].tolist() == [2] * 5
    assert set(run.ledger.last_visit[record.indices[5:]].tolist()) <= {-1, 0, 1}


def test_the_warm_up_fills_the_ledger_with_all_samples_shown() -> None:
    run = begun()
    assert run.ledger.visits.sum() == 24 and run.ledger.visits.max() == 1
    assert torch.equal(run.ledger.columns["loss"].isfinite(), run.ledger.visits == 1)


def test_a_run_without_warm_up_starts_with_samples_never_seen() -> None:
    run = TrainingRun(small_task(), RunConfig(pool_size=POOL, warmup_epochs=0, device="cpu"), seed=0)
    assert run.read_pool().loss.isinf().all()
    assert finished(run, keep_all).cost == 1
