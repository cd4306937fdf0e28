"""What bundled classes and functions are called in fingerprints, wherever they stand.

Results and checkpoints are recognised by fingerprints. So a class keeps the name that it had in version 0.1, whose
files and classes had other names, and a rule keeps its name when it moves to another file.
"""

from __future__ import annotations

RULES = "data_select_gym.agents.rules"
LEARNED = "data_select_gym.agents.learned"
ALGORITHMS = "data_select_gym.agents.algorithms"

# The names of version 0.1, by those of today without their modules.
HISTORIES = ("EL2N", "UCB", "EpsilonGreedy", "Forgetting")
RANKINGS = ("LowLoss", "Margin", "SelectiveBackprop", "StaticRandom", "Uncertainty")
IN_RULES = {
    **{name: f"data_select_gym.agents.histories:{name}" for name in HISTORIES},
    **{name: f"data_select_gym.agents.rankings:{name}" for name in RANKINGS},
    "RhoLoss": "data_select_gym.agents.rho:RhoLoss",
}
ELSEWHERE = {
    f"{LEARNED}.online:OnlinePolicy": "data_select_gym.agents.policy:CoevolvingPolicy",
    "data_select_gym.agents.user_policy:UserPolicy": "data_select_gym.agents.policy:UserPolicy",
}
# Modules of learned policies whose content stood in one file.
OF_ALGORITHMS = ("algorithm", "algorithms", "settings")
RENAMED = {"sb3_contrib_models": "contrib"}
# Names of arguments in version 0.1, by the class and the name of today.
PARTS = {(f"{ALGORITHMS}:Algorithm", "required_config"): "environment"}


def known_as(module: str, qualname: str) -> str:
    """``"module:qualname"``, or what stands for it in fingerprints."""
    here = f"{module}:{qualname}"
    if module.startswith(f"{RULES}."):
        return IN_RULES.get(qualname, f"{RULES}:{qualname}")
    if here in ELSEWHERE or not module.startswith(f"{LEARNED}."):
        return ELSEWHERE.get(here, here)
    part = module.removeprefix(f"{LEARNED}.").partition(".")[0]
    if part in OF_ALGORITHMS:
        return f"{ALGORITHMS}:{qualname}"
    return f"data_select_gym.agents.{RENAMED.get(part, part)}:{qualname}"
