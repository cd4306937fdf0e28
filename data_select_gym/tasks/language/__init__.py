"""Language-model tasks: an objective, prompts and answers, models, MMLU."""

from data_select_gym.tasks.language.modelling import LanguageModelling

__all__ = ["LanguageModelling"]
