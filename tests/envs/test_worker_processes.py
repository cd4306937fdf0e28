import multiprocessing
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

from data_select_gym.envs import DataSelectEnv, SamplewiseVecEnv, as_base_env

P = 64
OPTIONS: dict[str, Any] = {"epochs": 3, "device": "cpu", "pool_size": P}
# Threads of OpenMP do not come along into a forked process; a worker that waits for them never answers.
FORKED = """
import gymnasium as gym, numpy as np, torch, data_select_gym

torch.set_num_threads(2)
options = {"num_envs": 2, "epochs": 3, "device": "cpu", "pool_size": 64}
env = gym.make_vec("DataSelect/Digits-v0", vectorization_mode="async", **options)
observation, _ = env.reset(seed=[4, 5])
*_, infos = env.step(np.ones((2, 64), np.int8))
print(observation.shape, infos["keep_fraction"].tolist(), env.call("device"))
env.close()
print(torch.get_num_threads())
"""


@pytest.mark.slow
@pytest.mark.skipif(multiprocessing.get_start_method() != "fork", reason="processes are not forked here")
def test_runs_in_forked_processes_end_though_the_parent_has_several_threads() -> None:
    settings = os.environ | {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=240, env=settings)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["(2, 64, 8) [1.0, 1.0] ('cpu', 'cpu')", "2"]


@pytest.mark.slow
def test_worker_process_that_imports_nothing_knows_the_id_with_the_prefix_of_the_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    settings: dict[str, Any] = {"seed": 4, "env_kwargs": OPTIONS}
    name = "data_select_gym:DataSelect/Digits-v0"
    worker = make_vec_env(name, 1, vec_env_cls=SubprocVecEnv, vec_env_kwargs={"start_method": "spawn"}, **settings)
    here = make_vec_env("DataSelect/Digits-v0", 1, vec_env_cls=DummyVecEnv, **settings)
    assert np.array_equal(worker.reset(), here.reset())
    actions = np.ones((1, P), np.int8)
    observation, rewards, dones, infos = worker.step(actions)
    expected = here.step(actions)
    # DummyVecEnv has its rewards as float32.
    found = [observation, rewards.astype(np.float32), dones, list(infos)]
    assert data_equivalence(found, list(expected), exact=True)
    for env in (worker, here):
        env.close()


def test_the_prefix_may_stand_wherever_an_id_is_taken() -> None:
    name = "data_select_gym:DataSelect/Digits-v0"
    assert isinstance(as_base_env(name, **OPTIONS), DataSelectEnv)
    assert SamplewiseVecEnv(name, **OPTIONS).num_envs == P
