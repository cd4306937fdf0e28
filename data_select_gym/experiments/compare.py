"""Comparing policies: the same seeds, initial weights, pools, epochs and evaluation for each."""

from __future__ import annotations

import shutil
import signal
import time
import traceback
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from multiprocessing.connection import Connection

import numpy as np
import torch

from data_select_gym.agents import Policy, Stopped, UntrustedFileWarning, make_policy, run_policy
from data_select_gym.agents.budget import BudgetWarning, off_budget
from data_select_gym.agents.run_checkpointer import OtherRunError
from data_select_gym.agents.runner import run_with_checkpoints
from data_select_gym.arguments import check_callable, check_kind
from data_select_gym.envs import DataSelectEnv
from data_select_gym.envs.slots import as_base_env
from data_select_gym.experiments.comparison_spec import Comparison
from data_select_gym.experiments.result_files import write_outcome
from data_select_gym.experiments.results import Failure, RunRecord
from data_select_gym.experiments.run_files import RunFiles
from data_select_gym.experiments.run_key import RunKey, failed
from data_select_gym.experiments.workers import in_processes
from data_select_gym.training import FunctionCallback, TrainingRun
from data_select_gym.training.checkpoints import Checkpoints

LOSS_QUANTILES = np.linspace(0, 1, 21)
OnPool = Callable[[RunKey, float], None]


@dataclass(frozen=True)
class ComparisonResult:
    """The results of a comparison.

    Attributes:
        runs: that are finished, by seed, then by policy, then by keep ratio.
        failures: the others, in the same order.
        reused: how many of the runs were finished before and not repeated.
    """

    runs: list[RunRecord]
    failures: list[Failure]
    reused: int = 0


def compare(comparison: Comparison, *, on_pool: OnPool | None = None) -> ComparisonResult:
    """Run every policy at every keep ratio or cost on every seed, and write the results.

    To ``comparison.out`` go ``results.csv``, ``results.json`` and ``table.md`` after every run, pictures and
    ``page.html`` at the end, ``tensorboard`` with a folder for each run, and ``settings.json``, ``runs`` and
    ``failures``, from which an interrupted comparison resumes when it is started again: finished runs, known by the
    policy's name, keep ratio or cost, and seed, are not repeated. Where that name means another policy by now, see
    :func:`~data_select_gym.agents.fingerprint.policy_fingerprint`, its runs are repeated with a warning. A run that
    fails does not stop the others.

    A script that compares with several ``jobs`` needs an ``if __name__ == "__main__":``, since each process imports it.

    Args:
        comparison: what is compared.
        on_pool: called with a run and the share of it that is done after each of its pools, and with 1 when it is
            finished.

    Raises:
        ValueError: a policy, or an argument of the environment, is unknown or out of its range; or ``comparison.out``
            has runs with other settings.
        TypeError: an argument is of the wrong type.
    """
    check_kind("comparison", comparison, Comparison)
    if on_pool is not None:
        check_callable("on_pool", on_pool)
    notify = on_pool or (lambda key, share: None)
    comparison.check_policies()
    files = RunFiles(comparison.out)
    stored = {key: files.read(key, comparison.spec(key).fingerprint) for key in comparison.planned}
    finished: dict[RunKey, RunRecord | Failure] = {key: run for key, run in stored.items() if run is not None}
    reused = len(finished)
    if reused < len(comparison.planned):
        comparison.check_run()
    settings = comparison.settings()
    files.begin(settings)
    for key in finished:
        checkpoints_of(comparison, key).clear()
        notify(key, 1.0)

    def write(*, pictures: bool) -> ComparisonResult:
        result = in_order(comparison.planned, finished, reused)
        metric = comparison.primary_metric
        write_outcome(comparison.out, settings, result.runs, result.failures, metric, pictures=pictures)
        return result

    with closing(run_jobs(comparison, [key for key in comparison.planned if key not in finished], notify)) as results:
        for key, result in results:
            files.write(key, result)
            if isinstance(result, RunRecord):
                checkpoints_of(comparison, key).clear()
            finished[key] = result
            notify(key, 1.0)
            write(pictures=False)
    outcome = write(pictures=True)
    warn_off_budget(comparison, outcome.runs)
    return outcome


def warn_off_budget(comparison: Comparison, runs: Sequence[RunRecord]) -> None:
    """Warn, once for a keep ratio, of each frozen model that keeps another share."""
    free = {spec.name for spec in comparison.specs if spec.keeps_freely}
    warned: set[tuple[str, float]] = set()
    for run in runs:
        missed = off_budget(run.keep_fractions, run.keep_ratio) if run.policy in free else ""
        if missed and (run.policy, run.keep_ratio) not in warned:
            warned.add((run.policy, run.keep_ratio))
            warnings.warn(f"{run.policy}, seed {run.result.seed}: {missed}", BudgetWarning, stacklevel=3)


def in_order(
    planned: Sequence[RunKey], finished: Mapping[RunKey, RunRecord | Failure], reused: int
) -> ComparisonResult:
    """The runs so far, in the order of tables, whatever order they were finished in."""
    results = [finished[key] for key in planned if key in finished]
    return ComparisonResult(
        runs=[result for result in results if isinstance(result, RunRecord)],
        failures=[result for result in results if isinstance(result, Failure)],
        reused=reused,
    )


def run_jobs(
    comparison: Comparison, keys: Sequence[RunKey], on_pool: OnPool
) -> Generator[tuple[RunKey, RunRecord | Failure], None, None]:
    """Do the runs, here or in worker processes, and give the result of each."""
    if comparison.jobs > 1:
        yield from in_processes(partial(worker_main, comparison), comparison.jobs, keys, on_pool)
    elif keys:
        warm_libraries()
        for key in keys:
            yield key, run_job(comparison, key, partial(on_pool, key))


def worker_main(comparison: Comparison, connection: Connection) -> None:
    """What a worker process does; see :func:`~data_select_gym.experiments.workers.in_processes`."""
    # The process that started this one ends it, by SIGTERM, which it may have been told to ignore itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    warnings.simplefilter("ignore", UntrustedFileWarning)  # that process has given this warning
    torch.set_num_threads(1)
    warm_libraries()
    with suppress(EOFError, OSError, Stopped):  # the connection has ended, or a checkpoint was written before the end
        while (key := connection.recv()) is not None:
            connection.send(run_job(comparison, key, connection.send))


def run_job(comparison: Comparison, key: RunKey, on_pool: Callable[[float], None]) -> RunRecord | Failure:
    """Do one run, from its checkpoint if there is one; an exception is a failure of this run."""
    curves = comparison.out / "tensorboard" / key.name
    checkpoints = checkpoints_of(comparison, key)
    if not checkpoints.paths():
        shutil.rmtree(curves, ignore_errors=True)  # of a run that was interrupted
    spec = comparison.spec(key)
    try:
        policy = spec.make_policy()
        with closing(comparison.make_env(key, tensorboard_log=str(curves))) as env:
            env.callbacks.append(FunctionCallback(lambda run: on_pool(run.progress)))
            began, worked = time.perf_counter(), time.process_time()
            run = run_one(key, policy, env, checkpoints, spec.fingerprint)
            busy = (time.process_time() - worked) / (time.perf_counter() - began)
            return replace(
                run,
                policy_sha256=spec.file_sha256,
                policy_is=spec.fingerprint,
                jobs=comparison.jobs,
                threads=torch.get_num_threads(),
                busy=busy if env.run.device.type == "cpu" else None,
            )
    except OtherRunError as error:
        warnings.warn(f"{key}: {error}; the run is repeated", stacklevel=2)
        checkpoints.clear()
        return run_job(comparison, key, on_pool)
    except Exception as error:
        line = f"{type(error).__name__}: {error}"
        return failed(key, line, traceback.format_exc())


def checkpoints_of(comparison: Comparison, key: RunKey) -> Checkpoints:
    """The checkpoints of one run; they stay until its result is stored."""
    return Checkpoints(comparison.out / "checkpoints" / key.name, minutes=comparison.checkpoint_minutes)


def run_one(
    key: RunKey, policy: Policy, env: DataSelectEnv, checkpoints: Checkpoints | None = None, described: str = ""
) -> RunRecord:
    """One run of one policy."""
    result = run_with_checkpoints(policy, env, key.seed, checkpoints, described)
    curve = [
        {"epoch": evaluation.epoch, "progress": evaluation.progress, "cost": evaluation.cost, **evaluation.metrics()}
        for evaluation in env.run.evaluations
    ]
    return RunRecord(
        policy=key.policy,
        result=result,
        curve=curve,
        keep_fractions=[share for _, share in env.keep_fractions],
        keep_ratio=key.keep_ratio,
        asked_cost=key.cost,
        problems=env.problem_shares,
        kept_by_loss=env.kept_by_loss,
        final_losses=loss_quantiles(env.run),
        by_class=list(env.run.evaluations[-1].by_class),
        regime=env.regime or "",
        regime_seed=env.regime_seed,
    )


def loss_quantiles(run: TrainingRun) -> list[float]:
    """The quantiles 0, 0.05, ..., 1 of the finite recorded losses of the training set; empty if there are none."""
    losses = run.ledger.columns["loss"].cpu().numpy()
    finite = losses[np.isfinite(losses)]
    return np.quantile(finite, LOSS_QUANTILES).tolist() if len(finite) else []


@cache
def warm_libraries() -> None:
    """A short run that is not measured, so that no policy pays for what libraries load on first use.

    Once is enough for a process.
    """
    run_policy(make_policy("random"), as_base_env("DataSelect/Digits-v0", epochs=3), seed=0)
