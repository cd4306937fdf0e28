"""A custom policy: any function from an observation to a keep mask, compared with the others.

From the command line: ``data-select-gym compare --policies full,random,examples.custom_policy:hard_but_not_hardest``.
"""

import argparse
from datetime import datetime
from pathlib import Path

from rich.console import Console

from data_select_gym.experiments import Comparison, compare, make_table, summarise


def hard_but_not_hardest(observation):
    """Keep half of the pool, starting below the tenth with the highest loss, which may be mislabelled."""
    loss = observation[:, 0]
    order = (-loss).argsort()
    keep = loss < 0
    keep[order[len(loss) // 10 : len(loss) * 6 // 10]] = True
    return keep


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path(f"runs/custom-policy-{datetime.now():%Y%m%d-%H%M%S}"))
    arguments = parser.parse_args()
    policies = {"full": "full", "random": "random", "hard but not hardest": hard_but_not_hardest}
    options = {"epochs": arguments.epochs}
    comparison = Comparison(
        env="DataSelect/Digits-v0",
        policies=policies,
        keep_ratios=(0.5,),
        seeds=arguments.seeds,
        out=arguments.out,
        options=options,
    )
    Console().print(make_table(summarise(compare(comparison).runs), "accuracy", "Accuracy on the test set"))
