"""The state in a checkpoint, and which settings must match for it to load."""

from __future__ import annotations

from typing import Any, TypeAlias

# Only what torch.load reads with weights_only=True, so that loading it runs no code.
State: TypeAlias = dict[str, Any]
# Fields of a plan that had another name in version 0.1.
RENAMED_IN_PLAN = {"length": "schedule_fraction"}


class StateError(ValueError):
    """A state is of another run, or damaged."""


def check_same(saved: State, own: State, owner: str) -> None:
    """Check that a checkpoint has the settings of what it is loaded into.

    Args:
        saved: settings by name, as the checkpoint has them.
        own: settings by name, as ``owner`` has them.
        owner: what it is loaded into, for the message.

    Raises:
        StateError: one differs.
    """
    for name, value in own.items():
        # A dict with a tensor in it, which is none of these, cannot be compared.
        if type(saved.get(name)) is not type(value) or repr(saved[name]) != repr(value):
            raise StateError(f"the checkpoint is of {name}={saved.get(name)!r}; {owner} has {name}={value!r}")


def upgraded(state: State) -> State:
    """Convert the state of a run that version 0.1 may have written to the form of this version."""
    plan = state.get("plan")
    if not isinstance(plan, dict):
        return state
    return state | {"plan": {RENAMED_IN_PLAN.get(name, name): value for name, value in plan.items()}}
