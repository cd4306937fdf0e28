"""Paths that begin with ``~``, wherever one is taken: in quotes, after ``=`` and in Python no shell replaces it."""

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_select_gym.agents import DataAgent, Selector, load_policy, make_policy, pretrain, save_model
from data_select_gym.agents.fingerprint import policy_fingerprint
from data_select_gym.cli import main
from data_select_gym.envs import DataSelectEnv, SamplewiseVecEnv
from data_select_gym.experiments import Comparison, compare
from data_select_gym.ledger import Ledger
from data_select_gym.tasks import make_task
from data_select_gym.tasks.hugging_face import open_dataset
from data_select_gym.tasks.images.image_folder import image_folder
from data_select_gym.tasks.text.text_classification import text_classification
from data_select_gym.training.checkpoints import Checkpoints, read_state

from .tasks.written_images import write_imagenet
from .tasks.written_texts import write_texts

SMALL: dict[str, Any] = {"epochs": 3, "pool_size": 64, "batch_size": 32, "device": "cpu"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A home folder; in the end there must be no folder of the name ``~``, in it or where the process works."""
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.chdir(here)
    yield home
    assert [path for path in tmp_path.rglob("*") if "~" in path.name] == []


def test_data_is_read(home: Path) -> None:
    images = {"model": "small-cnn", "image_size": 8, "workers": 0}
    write_imagenet(home / "images", each=9, val=0)
    assert image_folder(data_dir="~/images", **images).train
    (home / "texts").mkdir()
    write_texts(home / "texts", train=40)
    assert text_classification(data_dir=Path("~/texts")).train
    np.save(home / "labels.npy", np.zeros(1280, np.int64))
    assert make_task("digits", label_noise_file="~/labels.npy").mislabelled is not None


def test_data_sets_of_hugging_face_are_read(home: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_dict({"text": ["fine", "dull"], "label": [1, 0]}).save_to_disk(home / "saved")
    assert len(open_dataset("~/saved")["train"]) == 2


@pytest.mark.parametrize(
    ("make", "data"), [("text_classification", "a film\t1\n" * 20 + "a day\t0\n" * 20), ("instruction_tuning", None)]
)
def test_checkpoints_of_transformers_are_looked_for(home: Path, make: str, data: str | None) -> None:
    pytest.importorskip("transformers")
    (home / "data").mkdir()
    name, content = ("train.tsv", data) if data else ("train.jsonl", '{"instruction": "a", "output": "b"}\n' * 20)
    (home / "data" / name).write_text(content)
    with pytest.raises(ValueError, match=rf"^model='{home}/none'"):
        make_task(make, data_dir="~/data", model="~/none")


def test_a_run_is_saved_and_loaded_and_its_curves_are_written(home: Path) -> None:
    env = DataSelectEnv("digits", tensorboard_log="~/curves", **SMALL)
    env.reset(seed=0)
    env.save("~/run.pt")
    env.load("~/run.pt")
    env.close()
    assert (home / "curves" / "run_1").is_dir()
    assert read_state("~/run.pt")
    assert Checkpoints("~/checkpoints").folder == home / "checkpoints"


@pytest.mark.slow
def test_agents_are_saved_and_loaded_and_their_curves_are_written(home: Path) -> None:
    def env() -> Any:
        return SamplewiseVecEnv(DataSelectEnv("digits", **SMALL), action="score")

    assert DataAgent(env(), tensorboard_log="~/curves").tensorboard_log == str(home / "curves")
    model = pretrain("data-agent", "DataSelect/Digits-v0", runs=2, seed=0, tensorboard_log="~/curves", **SMALL)
    assert [path.name for path in (home / "curves").iterdir()] == ["data-agent_1"]
    assert save_model(model, "~/agent.zip") == home / "agent.zip"
    for path in ("~/agent.zip", Path("~/agent.zip")):
        assert load_policy(path).features
        assert make_policy(path)
        assert policy_fingerprint(path) == policy_fingerprint(home / "agent.zip")
    assert Selector("~/agent.zip", Ledger(64), keep_ratio=0.5, epochs=3, pools_per_epoch=2)


@pytest.mark.slow
def test_comparisons_are_written_and_gone_on_with(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = {"epochs": 3, "pool_size": 256}
    made = Comparison(
        env="DataSelect/Digits-v0",
        policies={"full": "full"},
        keep_ratios=(0.5,),
        seeds=1,
        out=Path("~/made"),
        options=options,
    )
    compare(made)
    assert (home / "made" / "results.csv").is_file()
    arguments = ["--policies", "full", "--seeds", "1", "--epochs", "3", "--pool-size", "256"]
    assert main(["compare", *arguments, "--out=~/runs"]) == 0
    shutil.rmtree(home / "runs" / "tensorboard")
    (home / "runs" / "results.csv").unlink()
    assert main(["compare", "--resume", "~/runs"]) == 0
    assert (home / "runs" / "results.csv").is_file()
    assert main(["train", "--runs", "2", "--agent", "data-agent", *arguments[4:], "--out=~/a.zip"]) == 0
    assert (home / "a.zip").is_file()
    assert "~" not in capsys.readouterr().out


def test_a_home_folder_that_is_not_there_is_told() -> None:
    if sys.platform == "win32":
        pytest.skip("any name of a user has a folder there")
    with pytest.raises(ValueError, match=r"^tensorboard_log='~no one': there is no such home folder"):
        DataSelectEnv("digits", tensorboard_log="~no one", **SMALL)
