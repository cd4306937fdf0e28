"""Instruction tuning in the environment, on files as GSM8K's and MMLU's."""

import csv
import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env as check_for_gymnasium
from stable_baselines3.common.env_checker import check_env as check_for_stable_baselines
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from data_select_gym.agents import make_policy, run_policy
from data_select_gym.envs import DataSelectEnv, as_base_env
from data_select_gym.envs.features import FEATURES
from data_select_gym.tasks.tokenization import fit_tokenizer

from ..tiers import slow

SIZES: dict[str, Any] = {"epochs": 5, "batch_size": 8, "pool_size": 32, "max_length": 64, "device": "cpu"}
KNOWN = [name for name in FEATURES if name != "alignment"]


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """Sums of one to three numbers."""
    random = np.random.default_rng(0)
    for name, count in (("train", 96), ("dev", 24), ("test", 30)):
        lines = []
        for _ in range(count):
            numbers = random.integers(1, 5, size=random.integers(1, 4)).tolist()
            row = {
                "question": f"Add {' and '.join(map(str, numbers))}.",
                "answer": f"{sum(numbers)} #### {sum(numbers)}",
            }
            lines.append(json.dumps(row) + "\n")
        (tmp_path / f"{name}.jsonl").write_text("".join(lines))
    return str(tmp_path)


def made(folder: str, **options: Any) -> DataSelectEnv:
    return as_base_env("DataSelect/InstructionTuning-v0", data_dir=folder, **(SIZES | options))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*unconventional shape", "ignore:.*A Box observation space")
@pytest.mark.parametrize(
    "options",
    [{}, {"features": KNOWN, "observe": "fresh"}],
    ids=["default", "all-fresh"],
)
def test_checkers_are_content(folder: str, options: dict[str, Any]) -> None:
    env = gym.make("DataSelect/InstructionTuning-v0", data_dir=folder, **(SIZES | {"epochs": 3} | options)).unwrapped
    check_for_gymnasium(env, skip_render_check=True)
    check_for_stable_baselines(env)


@pytest.mark.parametrize("name", ["data-agent", slow("ppo")])
def test_agents_learn_within_a_run(folder: str, name: str) -> None:
    policy, plain = make_policy(name), made(folder, pool_size=16)
    env = made(folder, pool_size=16, **policy.required_config(plain.plan, plain.keep_ratio))
    result = run_policy(policy, env, seed=0)
    assert result.quality == -env.run.evaluations[-1].test["loss"]
    assert 0.2 < result.keep_fraction < 1


@pytest.mark.slow
def test_full_data_lowers_the_held_out_loss_and_the_perplexity_is_reported(folder: str) -> None:
    env = made(folder)
    run_policy(make_policy("full"), env, seed=0)
    losses = [evaluation.validation["loss"] for evaluation in env.run.evaluations]
    assert losses[-1] < 0.6 * losses[0]
    assert 1 < env.run.evaluations[-1].test["perplexity"] < env.run.evaluations[0].validation["perplexity"]


def test_alignment_says_that_there_is_none_for_language(folder: str) -> None:
    with pytest.raises(ValueError, match=r"^alignment needs an objective whose signals hold embedding and error"):
        made(folder, features=["alignment"]).reset(seed=0)


@pytest.mark.slow
def test_a_checkpoint_is_tuned_by_adapters_and_judged_on_mmlu(folder: str) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    checkpoint, mmlu = Path(folder) / "llama", Path(folder) / "mmlu"
    tokenizer = fit_tokenizer(["Add 1 and 2 and 3."] * 2, 300)
    with torch.random.fork_rng(devices=[]):
        config = LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=64,
            bos_token_id=None,
            eos_token_id=0,
        )
        LlamaForCausalLM(config).save_pretrained(checkpoint)
    tokenizer.save_pretrained(checkpoint)
    for part in ("dev", "test"):
        (mmlu / part).mkdir(parents=True)
        with (mmlu / part / f"sums_{part}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([["1 and 2?", "1", "2", "3", "4", letter] for letter in "ABCD"])
    with pytest.warns(UserWarning, match="4 of 4 prompts with shots=4 examples are longer than max_length=64 tokens"):
        env = made(folder, model=str(checkpoint), lora_rank=2, mmlu_dir=str(mmlu), mmlu_shots=4)
    assert np.isfinite(run_policy(make_policy("random"), env, seed=0).quality)
    frozen = LlamaForCausalLM.from_pretrained(checkpoint).model.embed_tokens.weight
    assert torch.equal(env.run.model.network.get_input_embeddings().weight, frozen)  # type: ignore[operator, union-attr]
    reported = env.run.evaluations[-1].metrics()
    # The four questions differ in their answer alone, so one of them is answered right.
    assert reported["test_mmlu"] == reported["test_mmlu_sums"] == 0.25


def test_the_cost_in_tokens_is_told_wherever_the_cost_is(folder: str, tmp_path: Path) -> None:
    env = made(folder, tensorboard_log=str(tmp_path / "curves"))
    lengths = env.task.train.lengths  # type: ignore[attr-defined]
    _, info = env.reset(seed=0)
    told = [info["token_cost"]]
    while not env.run.done:
        _, _, _, _, info = env.step((lengths[env.run.pool] <= lengths[env.run.pool].median()).numpy())
        told.append(info["token_cost"])
    env.close()
    assert type(info["token_cost"]) is np.float64
    assert told == sorted(told) and told[-1] == env.run.token_cost
    assert 0 < info["token_cost"] < info["cost"]
    curves = EventAccumulator(str(tmp_path / "curves" / "run_1")).Reload()
    assert [event.value for event in curves.Scalars("step/token_cost")] == pytest.approx(told)
    full = run_policy(make_policy("full"), made(folder), seed=0)
    assert (full.cost, full.token_cost) == (1, 1)
