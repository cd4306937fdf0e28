"""Your own training loop, in which a policy chooses what to train on: a rule, or an agent from a file."""

import argparse

import torch
from torch import nn
from torch.utils.data import TensorDataset

from data_select_gym.agents import Selector
from data_select_gym.ledger import Ledger
from data_select_gym.signals import classification_signals
from data_select_gym.tasks import make_task

POOL_SIZE, BATCH_SIZE = 128, 16


def train(policy: str, epochs: int, keep_ratio: float) -> tuple[nn.Module, int]:
    """The model, and how many samples it was trained on."""
    torch.manual_seed(0)
    images, labels = make_task("digits").train.tensors
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    pools, trained, step = len(images) // POOL_SIZE, 0, 0
    ledger = Ledger(len(images))
    selector = Selector(policy, ledger, keep_ratio=keep_ratio, epochs=epochs, pools_per_epoch=pools)
    for epoch in range(epochs):
        for pool in torch.randperm(len(images)).split(POOL_SIZE)[:pools]:
            weights = selector.choose(pool, step) if epoch else torch.ones(len(pool))
            kept = weights.nonzero().squeeze(1)
            for part in kept[torch.randperm(len(kept))].split(BATCH_SIZE):
                chosen = pool[part]
                logits = model(images[chosen])
                losses = nn.functional.cross_entropy(logits, labels[chosen], reduction="none")
                optimizer.zero_grad()
                (weights[part] * losses).mean().backward()
                optimizer.step()
                ledger.record(chosen, classification_signals(logits, labels[chosen], losses), step=step)
            selector.update(pool[kept], step)
            trained += len(kept)
            step += 1
    return model, trained


def accuracy(model: nn.Module, part: TensorDataset) -> float:
    images, labels = part.tensors
    return (model(images).argmax(dim=1) == labels).float().mean().item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--policy", default="top-loss", help="name of a rule, or a file of 'data-select-gym train'")
    parser.add_argument("--keep-ratio", type=float, default=0.5)
    parser.add_argument("--epochs", type=int, default=30)
    arguments = parser.parse_args()
    model, trained = train(arguments.policy, arguments.epochs, arguments.keep_ratio)
    task = make_task("digits")
    figures = [f"{name} accuracy {accuracy(model, getattr(task, name)):.3f}" for name in ("validation", "test")]
    print(f"{arguments.policy}: {', '.join(figures)} after {trained} samples")
