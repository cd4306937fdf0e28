"""Image files opened and seconds taken by a pruned epoch, compared with a full one in the same run.

This writes JPEGs of 200x160 in ImageNet's layout, unless the folder has them already. One run uses worker processes: a
warm-up epoch, in which reading runs ahead from pool to pool, then alternately an epoch of the policy `full` and one of
`random` at a keep ratio of 0.5. Each epoch ends with the evaluation of the validation set, whose files are not
counted. The run's own timer measures how long training waited for data.

    python benchmarks/image_folder.py --images 20000
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from multiprocessing import Value
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from measuring import make_parser, moment, print_head, print_row, print_settings, spread
from PIL import Image
from torch.utils.data import Dataset

from data_select_gym.agents import make_policy
from data_select_gym.envs import DataSelectEnv
from data_select_gym.tasks.images.image_folder import image_folder

CLASSES = 10
SIZE = (200, 160)
KEEP_RATIO = 0.5
MOST_SECONDS = 0.6


class Counted(Dataset[Any]):
    """A dataset that counts the samples read in all processes together."""

    def __init__(self, dataset: Dataset[Any]) -> None:
        self.dataset = dataset
        self.reads = Value("q", 0)

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> Any:
        with self.reads.get_lock():
            self.reads.value += 1
        return self.dataset[index]


def write_images(folder: Path, count: int) -> None:
    """Write images of a class's colours with noise of several scales, unless there are as many already."""
    present = sum(1 for _ in folder.glob("train/*/*.jpg"))
    if present == count:
        return
    if present:
        raise ValueError(f"{folder} has {present} images, not {count}; name another folder")
    random = np.random.default_rng(0)
    for number in range(count):
        label = number % CLASSES
        pixels = np.zeros((SIZE[1], SIZE[0], 3))
        for scale in (8, 40, 160):
            noise = random.integers(256, size=(SIZE[1] * 2 // scale + 1, SIZE[0] * 2 // scale + 1, 3), dtype=np.uint8)
            pixels += np.asarray(Image.fromarray(noise).resize(SIZE, Image.Resampling.BICUBIC)) / 4
        pixels += np.array([label % 3, label // 3, label % 2]) * 20
        path = folder / "train" / f"class{label}" / f"{number:06}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, quality=90)


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--data-dir", type=Path, help="folder for the images; one that is removed at the end if absent")
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--model", default="small-cnn")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--pool-size", type=int)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3, help="pairs of a full and a pruned epoch")
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.data_dir or Path(temporary)
        write_images(folder, arguments.images)
        measure(folder, arguments)


class Epoch(NamedTuple):
    """Files opened, seconds, and how many of these seconds training waited for data."""

    files: int
    seconds: float
    waited: float


def measure(folder: Path, arguments: argparse.Namespace) -> None:
    task = image_folder(
        data_dir=folder,
        model=arguments.model,
        image_size=arguments.image_size,
        epochs=1 + 2 * arguments.repeats,
        batch_size=arguments.batch_size,
        workers=arguments.workers,
    )
    counted = Counted(task.train)
    env = DataSelectEnv(
        replace(task, train=counted),
        keep_ratio=KEEP_RATIO,
        pool_size=arguments.pool_size,
        anneal_fraction=0.0,
        device=arguments.device,
    )
    pools, shown = env.plan.pools_per_epoch, env.plan.pools_per_epoch * env.plan.pool_size
    print(f"{len(counted)} training files, {pools} pools of {env.plan.pool_size} an epoch\n")
    epochs = measured(env, counted, arguments.repeats)
    print_head(["epochs"], ["files opened", "share", "seconds", "of them waiting for data"])
    for name, those in epochs.items():
        files, seconds, waited = zip(*those, strict=True)
        print_row(name, spread(files, ".0f"), spread([each / shown for each in files]), spread(seconds), spread(waited))
    ratio = statistics.median(each.seconds for each in epochs["random"])
    ratio /= statistics.median(each.seconds for each in epochs["full"])
    print(f"\nseconds of a pruned epoch over those of a full one: {ratio:.3f}")
    print_settings(arguments, env.run.device)
    half = pools * round(KEEP_RATIO * env.plan.pool_size)
    for name, expected in (("full", shown), ("random", half)):
        if {each.files for each in epochs[name]} != {expected}:
            raise SystemExit(f"{expected} files were to be opened in each epoch of {name}, not {epochs[name]}")
    if ratio > MOST_SECONDS:
        raise SystemExit(f"{ratio:.3f} is more than {MOST_SECONDS}")


def measured(env: DataSelectEnv, counted: Counted, repeats: int) -> dict[str, list[Epoch]]:
    """Run the environment; returns its epochs in order, by policy."""
    epochs: dict[str, list[Epoch]] = {"warm-up": [], "full": [], "random": []}
    began, waited = time.perf_counter(), 0.0

    def end(name: str) -> None:
        nonlocal began, waited
        now, load = moment(env.run.device), env.run.seconds_by_part["load"]
        epochs[name].append(Epoch(counted.reads.value, now - began, load - waited))
        counted.reads.value, began, waited = 0, now, load

    observation, _ = env.reset(seed=0)
    end("warm-up")
    policies = {name: make_policy(name) for name in ("full", "random")}
    for policy in policies.values():
        policy.start(env)
    for _ in range(repeats):
        for name, policy in policies.items():
            for _ in range(env.plan.pools_per_epoch):
                observation, *_ = env.step(policy.select(observation))
            end(name)
    return epochs


if __name__ == "__main__":
    main()
