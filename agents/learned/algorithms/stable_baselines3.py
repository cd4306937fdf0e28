"""Algorithms of Stable-Baselines3."""

from __future__ import annotations

from stable_baselines3 import A2C, DDPG, PPO, SAC, TD3

from data_select_gym.agents.learned.algorithm import Algorithm
from data_select_gym.agents.learned.off_policy import SlotDQN
from data_select_gym.agents.learned.settings import DETERMINISTIC, EXPLORING, off_policy, on_policy
from data_select_gym.agents.registry import register_algorithm

register_algorithm(
    "ppo",
    Algorithm("PPO, a keep or drop for each slot", "keep", PPO, on_policy(n_steps=10, n_epochs=4, learning_rate=3e-3)),
    paper="1707.06347",
)
register_algorithm(
    "a2c",
    Algorithm(
        "A2C, a keep or drop for each slot",
        "keep",
        A2C,
        on_policy(minibatches=False, n_steps=2, ent_coef=0.01, learning_rate=3e-3),
    ),
    paper="1602.01783",
)
register_algorithm(
    "dqn",
    Algorithm("DQN, a keep or drop for each slot, each exploring on its own", "keep", SlotDQN, off_policy(**EXPLORING)),
    paper="1312.5602",
)
register_algorithm("sac", Algorithm("SAC, a score for each slot", "score", SAC, off_policy()), paper="1801.01290")
register_algorithm(
    "td3", Algorithm("TD3, a score for each slot", "score", TD3, off_policy(**DETERMINISTIC)), paper="1802.09477"
)
register_algorithm(
    "ddpg", Algorithm("DDPG, a score for each slot", "score", DDPG, off_policy(**DETERMINISTIC)), paper="1509.02971"
)
