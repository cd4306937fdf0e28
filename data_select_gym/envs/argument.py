"""Arguments of an environment as attributes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

Value = TypeVar("Value")

OF_SPACES = ("action", "flat_observation", "features", "pool_size")


class Argument(Generic[Value]):
    """An argument of the environment as an attribute. What is set counts from the next ``reset`` on.

    The present run goes on, is saved and copied as it began; ``env.episode.config`` has its arguments.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Argument[Value]: ...
    @overload
    def __get__(self, instance: Any, owner: type) -> Value: ...
    def __get__(self, instance: Any | None, owner: type) -> Argument[Value] | Value:
        if instance is None:
            return self
        value: Value = instance.config.argument(self.name)
        return value

    def __set__(self, instance: Any, value: Value) -> None:
        instance._configure(instance.config.changed(**{self.name: value}))
        instance._arguments = instance._arguments | {self.name: value}


class Fixed(Generic[Value]):
    """What can be read of an environment, as from a property. Setting it is refused with the reason."""

    def __init__(self, read: Callable[[Any], Value]) -> None:
        """Read it so."""
        self.read = read
        self.__doc__ = read.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Fixed[Value]: ...
    @overload
    def __get__(self, instance: Any, owner: type) -> Value: ...
    def __get__(self, instance: Any | None, owner: type) -> Fixed[Value] | Value:
        return self if instance is None else self.read(instance)

    def __set__(self, instance: Any, value: Any) -> None:
        why = " belongs to the spaces of the environment and" if self.name in OF_SPACES else ""
        raise AttributeError(f"{self.name}{why} cannot be set once the environment is made; make another one")
