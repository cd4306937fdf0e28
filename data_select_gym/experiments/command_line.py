"""The command that repeats a comparison, and what no command can name."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data_select_gym.agents.naming import split_outside_brackets


def name_policies(given: Sequence[str]) -> dict[str, str]:
    """The policies by the names that tables show: a file by its stem, unless another policy has that name too."""
    policies = list(dict.fromkeys(given))
    names = [Path(policy).stem if policy.endswith(".zip") else policy for policy in policies]
    return {name if names.count(name) == 1 else policy: policy for name, policy in zip(names, policies, strict=True)}


def split_policies(text: str) -> list[str]:
    """Policies separated by commas; commas within brackets belong to an option."""
    return [name.strip() for name in split_outside_brackets(text, ",") if name.strip()]


def only_in_python(policies: Mapping[str, Any], options: Mapping[str, Any]) -> list[str]:
    """What no command can name: objects, and policies under other names than the command line gives them."""
    texts = {name: str(policy) for name, policy in policies.items() if isinstance(policy, str | Path)}
    named = name_policies(split_policies(",".join(texts.values())))
    others = [f"policies[{name!r}]" for name in policies if name not in texts or named.get(name) != texts[name]]
    return others + [f"options[{name!r}]" for name, value in options.items() if not is_plain(value)]


def is_plain(value: Any) -> bool:
    """Whether a value can be written as text."""
    try:
        json.dumps(value if not isinstance(value, Path) else str(value))
    except (TypeError, ValueError):
        return False
    return True


def repeat_command(settings: Mapping[str, Any]) -> str | None:
    """The command that repeats a comparison, given its settings; None if there is none."""
    if settings["only_in_python"]:
        return None
    words = ["data-select-gym", "compare", "--env", settings["env"]]
    words += ["--policies", ",".join(settings["policies"].values())]
    asked = ("--cost", settings["costs"]) if settings["costs"] else ("--keep-ratio", settings["keep_ratios"])
    words += [asked[0], ",".join(map(str, asked[1]))]
    words += ["--seeds", str(settings["seeds"]), "--jobs", str(settings["jobs"])]
    words += ["--threads", str(settings["threads"])]
    for name, value in settings["options"].items():
        words += ["--env-option", f"{name}={json.dumps(value)}"]
    return shlex.join(words)
