"""Algorithms of sb3-contrib, which is an extra: their classes are imported when a model is made."""

from __future__ import annotations

from data_select_gym.agents.learned.algorithm import Algorithm
from data_select_gym.agents.learned.settings import EXPLORING, off_policy, on_policy, over_runs
from data_select_gym.agents.registry import register_algorithm

register_algorithm(
    "trpo",
    Algorithm(
        "TRPO, a keep or drop for each slot",
        "keep",
        "TRPO",
        on_policy(n_steps=5, target_kl=0.05, learning_rate=3e-3),
    ),
    paper="1502.05477",
    needs=["sb3-contrib"],
)
register_algorithm(
    "qrdqn",
    Algorithm(
        "QR-DQN, a keep or drop for each slot, each exploring on its own",
        "keep",
        "SlotQRDQN",
        off_policy(policy_kwargs={"net_arch": [64, 64], "n_quantiles": 5}, **EXPLORING),
    ),
    paper="1710.10044",
    needs=["sb3-contrib"],
)
register_algorithm(
    "tqc",
    Algorithm(
        "TQC, a score for each slot",
        "score",
        "TQC",
        off_policy(
            batch_size=256,
            top_quantiles_to_drop_per_net=0,
            policy_kwargs={"net_arch": [64, 64], "n_quantiles": 5},
        ),
    ),
    paper="2005.04269",
    needs=["sb3-contrib"],
)
register_algorithm(
    "crossq",
    Algorithm(
        "CrossQ, a score for each slot",
        "score",
        "CrossQ",
        off_policy(
            batch_size=256,
            learning_rate=1e-2,
            gradient_steps=2,
            policy_delay=1,
            policy_kwargs={"net_arch": [32, 32], "batch_norm_momentum": 0.1},
        ),
    ),
    paper="1902.05605",
    needs=["sb3-contrib"],
)
register_algorithm(
    "ars",
    Algorithm(
        "ARS, a score for each slot, linear in the features; it learns over many runs and not within one",
        "score",
        "SlotARS",
        over_runs,
        across_runs="ars cannot learn within one run: it judges each change of its weights by whole runs; pre-train it "
        "with 'data-select-gym train' instead",
    ),
    paper="1803.07055",
    needs=["sb3-contrib"],
)
register_algorithm(
    "recurrent-ppo",
    Algorithm(
        "PPO with an LSTM, a keep or drop for each slot; a slot's memory is of other samples, so it has no meaning",
        "keep",
        "RecurrentPPO",
        on_policy(
            policy="MlpLstmPolicy",
            n_steps=10,
            n_epochs=4,
            learning_rate=3e-3,
            policy_kwargs={"net_arch": [32], "lstm_hidden_size": 32},
        ),
    ),
    needs=["sb3-contrib"],
)
