"""Learning agents: PPO over many runs, then frozen; Data Agent within one run, with curves in TensorBoard."""

import argparse

import gymnasium as gym
from stable_baselines3 import PPO

import data_select_gym  # noqa: F401, registers the environments
from data_select_gym.agents import DataAgent, evaluate_runs, learn_run, make_env, make_policy
from data_select_gym.envs import SamplewiseVecEnv


def report(validation: float, test: float, cost: float) -> str:
    return f"validation accuracy {validation:.3f}, to choose by; test accuracy {test:.3f}; cost {cost:.2f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="runs that PPO learns from")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--tensorboard-log", default="runs/agents")
    arguments = parser.parse_args()

    slots = SamplewiseVecEnv("DataSelect/Digits-v0", epochs=arguments.epochs)
    ppo = PPO("MlpPolicy", slots, n_steps=10, batch_size=160, n_epochs=4, gamma=0.0, gae_lambda=1.0, learning_rate=3e-3)
    for _ in range(arguments.runs):
        learn_run(ppo)

    # Each slot is decided separately, so an agent that learned on pools of 128 works on pools of 64.
    env = gym.make("DataSelect/Digits-v0", pool_size=64, epochs=arguments.epochs).unwrapped
    for result in evaluate_runs(ppo, env, seeds=[100, 101]):
        print(f"PPO, frozen: {report(result.validation, result.quality, result.cost)}")

    env = make_env(
        make_policy("data-agent"),
        "DataSelect/Digits-v0",
        epochs=arguments.epochs,
        tensorboard_log=arguments.tensorboard_log,
    )
    agent = DataAgent(SamplewiseVecEnv(env, action="score"), tensorboard_log=arguments.tensorboard_log, seed=0)
    agent.learn_run()
    print(f"Data Agent, while it learned: {report(env.run.validation, env.run.quality, env.run.cost)}")
