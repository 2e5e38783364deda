"""Properties that are computed once."""

import functools
from typing import Any, TypeVar

__all__ = ["cached_property"]

T = TypeVar("T")


class cached_property(functools.cached_property[T]):
    """`functools.cached_property` without the lock that Python 3.11 holds for all instances of a class.

    A child that is forked while another thread computes the property of any instance would wait for that lock without
    end. Two threads that ask at once may both compute it, as from Python 3.12 on.
    """

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None or self.attrname is None:
            return super().__get__(instance, owner)
        value = instance.__dict__[self.attrname] = self.func(instance)
        return value
