"""Models on file, and what is said of files that are none."""

import json
import random
import re
import threading
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecNormalize

from data_select_gym.agents import FrozenPolicy, load_policy, make_policy, run_policy, save_model
from data_select_gym.agents.learned.saved import NOTE
from data_select_gym.envs import SamplewiseVecEnv, as_base_env
from data_select_gym.envs.features import DEFAULT_FEATURES

from ..tiers import slow
from .mechanisms import by_mechanism
from .small_agents import P, global_draws, image_env, learned

NOT_OURS = r"^policy='.*agent.zip' is not a model written by save_model or 'data-select-gym train'; load any other"


def made(**options: Any) -> PPO:
    """A model that has learned nothing, which is as good to save."""
    return PPO("MlpPolicy", SamplewiseVecEnv(image_env(**options)), n_steps=4, batch_size=16, seed=0, device="cpu")


def seen(model: BaseAlgorithm) -> NDArray[np.float32]:
    return np.random.default_rng(0).random((200, *(model.observation_space.shape or ())), dtype=np.float32)


def chosen(model: BaseAlgorithm) -> list[Any]:
    actions: list[Any] = model.predict(seen(model), deterministic=True)[0].tolist()
    return actions


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return save_model(made(), tmp_path / "agent.zip")


def rewritten(file: Path, **members: Any) -> Path:
    """The file with other content of some of its members; ``data`` is given as what JSON says."""
    with zipfile.ZipFile(file) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    content |= {name.replace("_pth", ".pth"): value for name, value in members.items()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, value in content.items():
            archive.writestr(name, value if isinstance(value, bytes) else json.dumps(value))
    return file


def noted(file: Path, note: Any) -> Path:
    with zipfile.ZipFile(file) as archive:
        data = json.loads(archive.read("data"))
    return rewritten(file, data=data | {NOTE: note})


# Written and read


@pytest.mark.parametrize("name", by_mechanism(["ppo", "dqn", "sac", "data-agent", "data-agent-paper", "qrdqn", "ars"]))
def test_a_model_predicts_the_same_when_it_is_read_again(name: str, tmp_path: Path) -> None:
    model = learned(name)
    path = save_model(model, tmp_path / "agent.zip")
    assert path == tmp_path / "agent.zip"
    policy = make_policy(str(path))
    assert isinstance(make_policy(path), FrozenPolicy)
    assert isinstance(policy, FrozenPolicy)
    assert type(policy.model) is type(model)
    assert policy.features == model.get_env().env.features  # type: ignore[union-attr]
    assert chosen(policy.model) == chosen(model)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ppo", "data-agent"])
@pytest.mark.parametrize(("pool_size", "keep_ratio"), [(61, 0.3), slow(320, 0.7)])
def test_a_file_serves_other_tasks_pool_sizes_keep_ratios_and_seeds(
    name: str, pool_size: int, keep_ratio: float, tmp_path: Path
) -> None:
    policy = load_policy(save_model(learned(name), tmp_path / "agent.zip"))
    env = as_base_env(
        "DataSelect/Digits-v0", epochs=3, pool_size=pool_size, keep_ratio=keep_ratio, features=policy.features
    )
    first, second = run_policy(policy, env, seed=8), run_policy(policy, env, seed=9)
    assert first.episode_return != second.episode_return
    if name == "data-agent":
        assert first.keep_fraction == pytest.approx(round(keep_ratio * pool_size) / pool_size)


def test_a_file_is_one_of_stable_baselines_too(file: Path) -> None:
    slots = SamplewiseVecEnv(image_env())
    model = PPO.load(file, env=slots, device="cpu")
    assert chosen(model) == chosen(made())
    model.learn(P)
    save_model(model, file)
    assert chosen(load_policy(file).model) == chosen(model)


def test_the_order_of_the_features_is_kept(tmp_path: Path) -> None:
    path = save_model(made(features=["margin", "alignment", "loss"]), tmp_path / "agent.zip")
    assert load_policy(path).features == ("margin", "alignment", "loss")


def test_a_model_is_as_it_was_after_saving(file: Path, tmp_path: Path) -> None:
    model = made()
    before = set(vars(model))
    save_model(model, tmp_path / "other.zip")
    assert set(vars(model)) == before


def test_reading_touches_no_global_generator(file: Path) -> None:
    # The model has a seed, which Stable-Baselines3 sets for all generators when it loads one.
    random.seed(7)
    python, others = random.getstate(), global_draws()
    load_policy(file)
    assert (random.getstate(), global_draws()) == (python, others)


# Features that are not those learned from


@pytest.mark.parametrize("features", [DEFAULT_FEATURES[::-1], ("loss",), ("embedding",)])
def test_an_environment_of_other_features_is_refused(features: tuple[str, ...], file: Path) -> None:
    with pytest.raises(ValueError, match=r"^features=.*: this policy needs an environment with features=\('loss', "):
        run_policy(load_policy(file), image_env(features=features), seed=0)


def test_embeddings_of_another_width_are_refused(tmp_path: Path) -> None:
    policy = load_policy(save_model(made(features=["embedding"]), tmp_path / "agent.zip"))
    env = as_base_env("DataSelect/Digits-v0", epochs=3, pool_size=320, features=["embedding"])
    with pytest.raises(ValueError, match=r"give pools of shape \(320, \d+\); the model learned from shape \(6,\)"):
        run_policy(policy, env, seed=0)


# What cannot be saved


class Own(PPO):
    """A class of a user's, which a file of another's cannot make this package import."""


@pytest.mark.parametrize("path", ["agent", "agent.pt", "agent.ZIP", "agent.zip.bak"])
def test_the_name_of_a_file_ends_with_zip(path: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^path='.*' does not end with .zip"):
        save_model(made(), tmp_path / path)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"^path='.*no/agent.zip': there is no folder '.*no'"):
        save_model(made(), tmp_path / "no" / "agent.zip")


def test_a_folder_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "agent.zip").mkdir()
    with pytest.raises(IsADirectoryError, match=r"^path='.*agent.zip' is a folder"):
        save_model(made(), tmp_path / "agent.zip")


def test_a_model_with_normalised_observations_is_refused(tmp_path: Path) -> None:
    model = PPO("MlpPolicy", VecNormalize(SamplewiseVecEnv(image_env())), device="cpu")
    with pytest.raises(ValueError, match=r"is in a VecNormalize, whose statistics its file would not hold$"):
        save_model(model, tmp_path / "agent.zip")


def test_a_model_of_another_environment_is_refused(file: Path, tmp_path: Path) -> None:
    for model in (PPO("MlpPolicy", "CartPole-v1", device="cpu"), PPO.load(file, device="cpu")):
        with pytest.raises(TypeError, match=r"^the model's environment is a \w+; one of slots or of pools is needed$"):
            save_model(model, tmp_path / "other.zip")


def test_a_class_that_would_not_be_read_again_is_refused(tmp_path: Path) -> None:
    model = Own("MlpPolicy", SamplewiseVecEnv(image_env()), device="cpu")
    with pytest.raises(ValueError, match=r"^the model is of the class .*test_saved:Own; allowed are those of: stable"):
        save_model(model, tmp_path / "agent.zip")
    assert list(tmp_path.iterdir()) == []


def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(file: Path) -> None:
    before = file.read_bytes()
    model = made()
    model.lock = threading.Lock()  # type: ignore[attr-defined] # cannot be pickled
    with pytest.raises(TypeError, match="lock"):
        save_model(model, file)
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]
    assert not hasattr(model, NOTE)


# What cannot be read


@pytest.mark.parametrize("policy", ["nothing.zip", "no/folder/agent.zip"])
def test_a_missing_file_is_named(policy: str) -> None:
    with pytest.raises(FileNotFoundError, match=rf"^policy='{policy}': there is no such file"):
        make_policy(policy)


def marked(content: bytes, offset: int, mark: bytes) -> bytes:
    """The zip with a byte of all the entries of its directory replaced."""
    return re.sub(rb"(PK\x01\x02.{%d})." % (offset - 4), rb"\g<1>" + mark, content, flags=re.DOTALL)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: b"quality 0.9\n",
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1],
        lambda content: marked(content, 8, b"\x01"),
        lambda content: marked(content, 10, b"\x63"),
    ],
    ids=["empty", "text", "half", "one byte short", "encrypted", "unknown compression"],
)
def test_a_file_that_is_no_whole_zip_is_told(damage: Any, file: Path) -> None:
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ValueError, match=NOT_OURS):
        make_policy(str(file))


def test_a_zip_whose_compressed_content_is_damaged_is_told(file: Path) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data", b"quality 0.9\n" * 1000)
    content = file.read_bytes()
    file.write_bytes(content[:40] + b"\xff" * 20 + content[60:])
    with pytest.raises(ValueError, match=NOT_OURS):
        load_policy(file)


@pytest.mark.parametrize("data", [b"{", b"\xff", [], {}, "text", None, {NOTE: None}, {NOTE: {"class": "x:Y"}}])
def test_a_zip_without_our_note_is_told(data: Any, file: Path) -> None:
    with pytest.raises(ValueError, match=NOT_OURS):
        load_policy(rewritten(file, data=data))


def test_a_model_saved_by_its_own_method_is_told_from_ours(file: Path) -> None:
    model = made()
    model.save(file)
    with pytest.raises(ValueError, match=NOT_OURS):
        load_policy(file)
    assert make_policy(PPO.load(file, device="cpu")).features is None  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            "os:system",
            "is of the class os:system; allowed are those of: stable_baselines3, sb3_contrib, data_select_gym$",
        ),
        ("stable_baselines3_not.ppo:PPO", "is of the class stable_baselines3_not.ppo:PPO; allowed"),
        ("", "is of the class ; allowed"),
        (7, "is of the class 7; allowed"),
        ("data_select_gym.cli:main", "names data_select_gym.cli:main, which is not an algorithm"),
        ("stable_baselines3.common.vec_env:VecEnv", "is not an algorithm"),
        ("sb3_contrib.nothing:PPO", "cannot be imported"),
        ("stable_baselines3.ppo:Nothing", "cannot be imported"),
        ("stable_baselines3.ppo", "is not of the form 'module:object'"),
    ],
)
def test_only_algorithms_of_known_packages_are_looked_up_and_nothing_is_unpickled_before(
    kind: Any, message: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: Any, **named: Any) -> None:
        raise AssertionError("unpickled")

    noted(file, {"class": kind, "features": ["loss"]})
    monkeypatch.setattr("cloudpickle.loads", fail)
    monkeypatch.setattr(torch, "load", fail)
    with pytest.raises(ValueError, match=message):
        load_policy(file)


@pytest.mark.parametrize(
    "members",
    [
        {"policy_pth": b"cut"},
        {"policy_pth": b""},
        {"data": {NOTE: {"class": "stable_baselines3.ppo:PPO", "features": ["loss"]}}},
    ],
)
@pytest.mark.filterwarnings("ignore::data_select_gym.agents.UntrustedFileWarning")
def test_a_file_of_which_a_part_is_damaged_is_told(members: dict[str, Any], file: Path) -> None:
    with pytest.raises(ValueError, match=r"^policy='.*agent.zip' cannot be loaded: it is damaged or of other versions"):
        load_policy(rewritten(file, **members))
