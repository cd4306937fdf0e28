"""What ``data-agent`` does before it has learned anything, as a policy: ``--policies greedy:Greedy``.

Its environment shows one feature, ``--env-option 'features=["quality_rank"]'``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from data_select_gym.envs import DataSelectEnv


class Greedy:
    """Keeps the share with the highest recorded quality, as the environment's reward scores it."""

    def start(self, env: DataSelectEnv) -> None:
        self.env = env

    def select(self, observation: NDArray[np.float32]) -> NDArray[Any]:
        return self.env.keep_best(torch.from_numpy(observation[:, 0])).numpy()
