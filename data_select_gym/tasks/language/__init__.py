"""Language-model tasks: an objective, prompts and answers, models, MMLU."""

from data_select_gym.tasks.language.language_objective import LanguageModelling

__all__ = ["LanguageModelling"]
