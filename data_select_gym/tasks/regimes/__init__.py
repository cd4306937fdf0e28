"""Regimes: named, seeded changes of a training set, of which the truth stays on record."""

from data_select_gym.tasks.regimes.applying import apply_regime
from data_select_gym.tasks.regimes.registry import REGIMES, Circumstances, Regime, register_regime

__all__ = ["REGIMES", "Circumstances", "Regime", "apply_regime", "register_regime"]
