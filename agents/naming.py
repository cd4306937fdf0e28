"""Policies as text: a name followed by options, as in ``ppo:n_steps=5:learning_rate=1e-3``."""

from __future__ import annotations

from typing import Any

from data_select_gym.arguments import read_value

OPENING, CLOSING = "([{", ")]}"


def read_policy(text: str) -> tuple[str, dict[str, Any]]:
    """Split a policy's text into its name, such as ``ppo`` or ``module:object``, and its options.

    Raises:
        ValueError: an option is not of the form NAME=VALUE.
    """
    parts = split_outside_brackets(text, ":")
    first = next((place for place, part in enumerate(parts) if place and "=" in part), len(parts))
    options: dict[str, Any] = {}
    for part in parts[first:]:
        name, separator, value = part.partition("=")
        name = name.strip().replace("-", "_")
        if not separator or not name.isidentifier() or name in options:
            what = "comes twice" if name in options else "is not of the form NAME=VALUE"
            raise ValueError(f"policy={text!r}: {part!r} {what}; options are written as in 'ppo:n_steps=5:gamma=0.9'")
        options[name] = read_value(value)
    return ":".join(parts[:first]), options


def write_policy(name: str, options: dict[str, Any]) -> str:
    """A name followed by options, in alphabetical order."""
    return name + "".join(f":{option}={value!r}" for option, value in sorted(options.items()))


def split_outside_brackets(text: str, separator: str) -> list[str]:
    """The parts of a text between separators; separators within brackets do not count."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in OPENING) - (letter in CLOSING)
        if letter == separator and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    # Unbalanced brackets, as in some file names, are ordinary letters.
    return parts if depth == 0 else text.split(separator)
