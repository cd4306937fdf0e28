"""One thread for all tests: many are run side by side, and threads that wait for one another would make them slow.

None of them asks the Hugging Face hub for anything, whose library reads this variable when it is imported.
"""

import os

import torch

torch.set_num_threads(1)
os.environ["HF_HUB_OFFLINE"] = "1"
