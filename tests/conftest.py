"""One thread for all tests: many are run side by side, and threads that wait for one another would make them slow.

None of them asks the Hugging Face hub for anything, whose library reads this variable when it is imported.

Agents that have learned for a second keep what they like, and are not told of but where a test asks for it.
"""

import os

import pytest
import torch

torch.set_num_threads(1)
os.environ["HF_HUB_OFFLINE"] = "1"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("filterwarnings", r"ignore:.*it kept \d+% over the last")
