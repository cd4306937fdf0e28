"""Kills a training run repeatedly (SIGKILL) and resumes it: is the result bit-identical?

Each process resumes from the newest checkpoint on disk and is killed at a random moment. In the end, weights, ledger,
metrics and shares kept are compared with those of an uninterrupted run. Needs an operating system with ``fork``.
"""

import argparse
import hashlib
import os
import pickle
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import torch
from measuring import make_parser, print_settings

from data_select_gym.agents import make_env, make_policy, run_policy
from data_select_gym.training.checkpoints import Checkpoints


def run_jobs(arguments: argparse.Namespace, folder: Path | None) -> str:
    """Run from the newest checkpoint, if there is one; returns a digest of the results."""
    policy = make_policy(arguments.policy)
    settings = {"epochs": arguments.epochs, "pool_size": 128, "device": "cpu"}
    env = make_env(policy, "DataSelect/Digits-v0", **settings)
    checkpoints = None if folder is None else Checkpoints(folder, minutes=None, steps=1)
    result = run_policy(policy, env, arguments.seed, checkpoints=checkpoints)
    run = env.run
    tensors = [*run.model.state_dict().values(), *run.ledger.state_dict().values()]
    figures = (result.quality, result.cost, result.episode_return, run.evaluations, env.keep_fractions)
    content = pickle.dumps([*(tensor.tolist() for tensor in tensors), repr(figures)])
    return hashlib.sha256(content).hexdigest()


def in_a_process(arguments: argparse.Namespace, folder: Path, seconds: float | None) -> bool:
    """Run in a process that is killed after some seconds; returns whether it finished before."""
    child = os.fork()
    if child == 0:
        try:
            (folder.parent / "digest").write_text(run_jobs(arguments, folder / "checkpoints"))
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit("a process that went on failed")
    return os.WIFEXITED(status)


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--policy", default="data-agent")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--longest", type=float, default=0.6, help="most seconds that a process lives")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    moments, runs = random.Random(arguments.seed), 0
    began = time.perf_counter()
    whole = run_jobs(arguments, None)
    print(f"{arguments.policy}: the run takes {time.perf_counter() - began:.1f} s when nobody kills it", flush=True)
    kills = 0
    while kills < arguments.kills or runs == 0:
        with tempfile.TemporaryDirectory() as folder:
            while True:
                last = kills >= arguments.kills
                finished = in_a_process(
                    arguments, Path(folder) / "run", None if last else moments.uniform(0, arguments.longest)
                )
                kills += not finished
                if finished:
                    break
            runs += 1
            if (Path(folder) / "digest").read_text() != whole:
                raise SystemExit(f"run {runs} came to something else after {kills} kills in all")
    print(f"{kills} kills over {runs} runs: each came to the same, to the bit")
    print_settings(arguments, torch.device("cpu"))


if __name__ == "__main__":
    main()
