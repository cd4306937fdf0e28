"""The runs of a comparison side by side in TensorBoard's HPARAMS tab."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data_select_gym.experiments.results import RunRecord
from data_select_gym.experiments.run_key import RunKey


def write_hparams(folder: Path, settings: Mapping[str, Any], runs: Sequence[RunRecord]) -> None:
    """Write a session for each run; what the folder had is replaced."""
    from torch.utils.tensorboard import SummaryWriter

    shutil.rmtree(folder, ignore_errors=True)
    given = {"env": settings["env"], **settings["options"]}
    options = {
        name: value if isinstance(value, bool | int | float | str) else str(value) for name, value in given.items()
    }
    with SummaryWriter(str(folder)) as writer:
        for run in runs:
            result = run.result
            asked = {} if run.asked_cost is None else {"asked_cost": run.asked_cost}
            writer.add_hparams(
                {"policy": run.policy, "keep_ratio": run.keep_ratio, "seed": result.seed, **asked, **options},
                {
                    "result/test_quality": result.quality,
                    "result/validation_quality": result.validation,
                    "result/cost": result.cost,
                    "result/keep_fraction": result.keep_fraction,
                    "result/seconds": result.seconds,
                },
                run_name=RunKey(run.policy, run.keep_ratio, result.seed, run.asked_cost).name,
            )
