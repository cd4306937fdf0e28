"""The training run without reinforcement learning: a keep mask goes in, a record comes out."""

import argparse

from data_select_gym.selection import best_share
from data_select_gym.tasks import make_task
from data_select_gym.training import TrainingRun

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=30)
    arguments = parser.parse_args()
    run = TrainingRun(make_task("digits", epochs=arguments.epochs), seed=0)
    run.warm_up()
    while not run.done:
        loss = run.ledger.read(run.pool).loss
        record = run.step(best_share(loss, keep_ratio=0.5))
        for evaluation in record.evaluations:
            print(
                f"epoch {evaluation.epoch:.0f}: accuracy {evaluation.validation['accuracy']:.3f}, cost {run.cost:.2f}"
            )
    print(f"test accuracy {run.quality:.3f}")
