"""Arguments of an environment as attributes."""

from __future__ import annotations

from typing import Any, Generic, TypeVar, overload

Value = TypeVar("Value")

FIXED = ("action", "flat_observation")


class Argument(Generic[Value]):
    """An argument of the environment as an attribute. A new value counts from the next run on, if not before."""

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
        if self.name in FIXED:
            raise AttributeError(f"{self.name} belongs to the spaces of the environment, which are made with it")
        instance._configure(instance.config.changed(**{self.name: value}))
        instance._arguments = instance._arguments | {self.name: value}
