from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from data_select_gym.experiments import RunRecord
from data_select_gym.experiments.hparams import write_hparams

from .made_runs import SETTINGS, run


def sessions(folder: Path) -> dict[str, tuple[dict[str, Any], dict[str, list[float]]]]:
    """For each folder with hyperparameters, those and the values of each scalar."""
    found = {}
    for place in sorted(path for path in folder.iterdir() if path.is_dir()):
        events = EventAccumulator(str(place))
        events.Reload()
        content = events.PluginTagToContent("hparams")["_hparams_/session_start_info"]
        start = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
        values = {name: getattr(value, value.WhichOneof("kind")) for name, value in start.hparams.items()}
        scalars = {tag: [event.value for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
        found[place.name] = values, scalars
    return found


def test_each_run_is_a_session_with_its_hyperparameters_and_metrics(tmp_path: Path) -> None:
    settings = SETTINGS | {"options": {"epochs": 4, "model": "small", "flip": True, "features": ["loss", "age"]}}
    runs = [run("full", 0, 1.0), run("a/../b", 1, 0.25, quality=0.75, cost=0.375)]
    write_hparams(tmp_path / "hparams", settings, runs)
    found = list(sessions(tmp_path / "hparams").values())
    assert len(found) == 2
    ((values, scalars),) = [pair for pair in found if pair[0]["policy"] == "a/../b"]
    assert values == {
        **{"policy": "a/../b", "keep_ratio": 0.25, "seed": 1.0, "env": "DataSelect/Digits-v0"},
        **{"epochs": 4.0, "model": "small", "flip": True, "features": "['loss', 'age']"},
    }
    assert {tag: [round(value, 6) for value in values] for tag, values in scalars.items()} == {
        "result/test_quality": [0.75],
        "result/validation_quality": [0.8],
        "result/cost": [0.375],
        "result/keep_fraction": [0.4],
        "result/seconds": [2.0],
    }


def test_sessions_are_named_after_their_runs_and_written_anew(tmp_path: Path) -> None:
    runs = [run(policy, seed) for policy in ("random", "a/b", "a_b") for seed in (0, 1)]

    def written(some: list[RunRecord]) -> set[str]:
        write_hparams(tmp_path, SETTINGS, some)
        found = sessions(tmp_path)
        assert all(len(values) == 1 for _, scalars in found.values() for values in scalars.values())
        return set(found)

    first = written(runs[:3])
    assert {"random-keep_0.5-seed_0", "random-keep_0.5-seed_1"} < first
    assert len(first) == 3
    assert first < written(runs)
    assert len(written(runs)) == 6
