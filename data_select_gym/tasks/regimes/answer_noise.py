"""Answers of other prompts."""

from __future__ import annotations

from dataclasses import replace

import torch

from data_select_gym.tasks.data import length
from data_select_gym.tasks.language.completions import Completions
from data_select_gym.tasks.regimes.inputs import chosen_share
from data_select_gym.tasks.regimes.off_target import with_part
from data_select_gym.tasks.regimes.registry import Circumstances, register_regime
from data_select_gym.tasks.task import Task
from data_select_gym.tasks.truth import marked


def why_no_answers(task: Task, given: Circumstances) -> str:
    """Why there are no answers to swap; empty if there are."""
    if type(task.train) is Completions:
        return ""
    return f"it needs prompts with answers, as instruction tuning has, and not a {type(task.train).__name__}"


@register_regime("answer-noise", fits="language models", why_not=why_no_answers, drawn=("0.2", "0.4"))
def answer_noise(task: Task, share: float, given: Circumstances) -> Task:
    """A share p of the answers is swapped between prompts."""
    generator = given.generator("answer-noise")
    chosen = chosen_share(length(task.train), share, generator)
    count = int(chosen.sum())
    if count == 0 or not isinstance(task.train, Completions):
        return task
    if count == 1:
        raise ValueError(f"answer-noise:{share!r} of {len(chosen)} samples is a single answer; swapping needs two")
    rows = chosen.nonzero()[:, 0][torch.randperm(count, generator=generator)]
    prompts, others = task.train.rows(rows), task.train.rows(rows.roll(1))
    swapped = prompts.answered_by(others, int(task.train.tokens.lengths.max()))
    # Two prompts may have the same answer, which then stays right.
    differ = torch.tensor([own != other for own, other in zip(prompts.answers(), others.answers(), strict=True)])
    wrong = torch.zeros_like(chosen)
    wrong[rows] = differ
    part = swapped.rows(rows.argsort())
    return replace(task, train=with_part(task.train, part, chosen), truth=marked(task.truth, "mislabelled", wrong))
