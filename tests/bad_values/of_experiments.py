"""Bad values for comparisons."""

from __future__ import annotations

from typing import Any

from data_select_gym.experiments import Comparison, compare

from .bad import CALLABLE, COUNT, FROM_0, INF, NAN, NOT_CALLABLE, NOT_COUNTS, NOT_PATHS, PATH, TEXT, Bad, Good


def compared(**settings: Any) -> None:
    """What is in a comparison is looked up when it is carried out."""
    compare(Comparison(**settings))


def settings(folder: Any) -> dict[str, Any]:
    options = {"epochs": 3, "device": "cpu"}
    policies = {"random": "random"}
    return {"policies": policies, "keep_ratios": [0.5], "seeds": 1, "out": folder, "options": options} | {
        "env": "DataSelect/Digits-v0"
    }


GOOD: dict[Any, Good] = {
    Comparison: settings,
    compared: settings,
    compare: lambda folder: {"comparison": Comparison(**settings(folder))},
}
NO_MAPPING = "{name}={value} is a {kind}; a Mapping is needed"
NO_RATIOS = "{name}={value} is not a sequence of numbers"
BY_ITSELF = "{name}['keep_ratio']=0.5: the comparison sets keep_ratio by itself; leave it out"

TABLE = [
    Bad(Comparison, "env", (3, None), TEXT, TypeError),
    Bad(Comparison, "policies", (3, None, ["random"], "random"), NO_MAPPING, TypeError),
    Bad(Comparison, "policies", ({},), "{name}={value} is empty; at least one is needed"),
    Bad(compared, "policies", ({"mine": "randon"},), "policy='randon' is not known; known are: full"),
    Bad(compared, "policies", ({"mine": 3},), "policy=3 is not a name, a file, a model", TypeError),
    Bad(Comparison, "keep_ratios", (0.5, None), NO_RATIOS, TypeError),
    Bad(Comparison, "keep_ratios", ((),), "{name}={value}: at least one is needed, and each only once"),
    Bad(Comparison, "keep_ratios", ((0.5, 0.5),), "{name}={value}: at least one is needed, and each only once"),
    Bad(Comparison, "keep_ratios", ((0.5, 1.5),), "{name}[1]=1.5 is not a number in (0, 1]"),
    Bad(Comparison, "keep_ratios", ((NAN,), ("0.5",)), "{name}[0]="),
    Bad(Comparison, "costs", (0.5, None), NO_RATIOS, TypeError),
    Bad(Comparison, "costs", ((0.5, 0.7),), "keep_ratios=(0.5,) and {name}={value}: one follows from the other"),
    Bad(Comparison, "costs", ((0.5, 0),), "{name}[1]=0 is not a finite number above 0"),
    Bad(Comparison, "costs", ((0.5, 0.5),), "{name}={value}: at least one is needed, and each only once"),
    Bad(Comparison, "seeds", (*NOT_COUNTS, None), COUNT),
    Bad(Comparison, "out", (*NOT_PATHS, None), PATH, TypeError),
    Bad(Comparison, "options", (3, None, ["epochs"]), NO_MAPPING, TypeError),
    Bad(Comparison, "options", ({"keep_ratio": 0.5},), BY_ITSELF),
    Bad(compared, "options", ({"epochs": 0},), "epochs=0 is not a whole number of at least 1"),
    Bad(compared, "options", ({"epoch": 3},), "argument 'epoch'; this task takes", TypeError),
    Bad(Comparison, "jobs", (*NOT_COUNTS, None), COUNT),
    Bad(Comparison, "checkpoint_minutes", (-0.1, NAN, INF, True, "1", [1]), FROM_0),
    Bad(compare, "comparison", (3, None, {}), "{name}={value} is a {kind}; a Comparison is needed", TypeError),
    Bad(compare, "on_pool", NOT_CALLABLE, CALLABLE, TypeError),
]
