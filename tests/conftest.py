"""One thread for all tests: many are run side by side, and threads that wait for one another would make them slow."""

import torch

torch.set_num_threads(1)
