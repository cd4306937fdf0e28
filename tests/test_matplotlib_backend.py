"""Only files are drawn, so that no backend is looked up: not one that a notebook left in the environment, either."""

import os
import subprocess
import sys

import pytest

NO_BACKENDS = ("module://matplotlib_inline.backend_inline", "inline")


def run_python(code: str, backend: str) -> str:
    """What a new interpreter prints, any warning an error."""
    environment = os.environ | {"MPLBACKEND": backend, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("backend", NO_BACKENDS)
def test_a_backend_that_is_not_there_ends_no_command(backend: str) -> None:
    code = "from data_select_gym.cli import main; import os; main(['list']); print(os.environ['MPLBACKEND'])"
    told = run_python(code, backend).splitlines()
    assert (told[0], told[-1]) == ("environments:", backend)


@pytest.mark.slow
def test_a_backend_that_is_not_there_ends_no_import() -> None:
    run_python("import data_select_gym.agents.learned.algorithms.stable_baselines3", "inline")


@pytest.mark.slow
def test_pictures_are_drawn_where_the_backend_is_not_there() -> None:
    code = """
from data_select_gym.experiments.plots import new_figure, to_svg  # the first import of the package
import gymnasium
env = gymnasium.make("DataSelect/Digits-v0", epochs=3, device="cpu", render_mode="rgb_array")
env.reset(seed=0)
print(env.render().shape)
print(to_svg(new_figure(1)[0])[:4])
import matplotlib.pyplot
matplotlib.pyplot.figure()  # who looks for a backend later finds one
"""
    assert run_python(code, "inline").split() == ["(540,", "960,", "3)", "<svg"]


@pytest.mark.slow
def test_a_backend_that_is_there_is_still_that_of_who_draws_in_windows() -> None:
    code = "import data_select_gym.envs, matplotlib; print(matplotlib.get_backend())"
    assert run_python(code, "svg").strip() == "svg"
