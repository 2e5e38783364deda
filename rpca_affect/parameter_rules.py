"""Admissible values of every parameter of an estimator: one rule under its name, checked when it is fitted."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from rpca_affect import checks
from rpca_affect.arrays import array_namespace, is_array_api_obj
from rpca_affect.solvers import available_solvers

__all__ = [
    "check_parameters",
    "flag",
    "jobs",
    "noise",
    "number",
    "optional",
    "or_word",
    "seed",
    "solver",
    "whole",
    "word",
]

Rule = Callable[[str, Any], None]


def check_parameters(estimator: Any) -> None:
    """Refuse a parameter that breaks its rule, by name, before anything is computed.

    Parameters
    ----------
    estimator : object with ``_rules``, a dict from the name of every parameter to its rule

    Raises
    ------
    TypeError, ValueError
        One sentence with the name, the value and the admissible values.
    """
    for name, rule in estimator._rules.items():
        rule(name, getattr(estimator, name))


def number(
    *, above: float = -math.inf, least: float = -math.inf, most: float = math.inf, below: float = math.inf
) -> Rule:
    """A finite number in a range."""

    def check(name: str, value: Any) -> None:
        checks.number(name, value, above=above, least=least, most=most)
        if not value < below:
            raise ValueError(f"{name} is {value}: give a number below {below:g}")

    return check


def whole(least: int) -> Rule:
    """A whole number from ``least`` on."""
    return lambda name, value: checks.whole(name, value, least=least)


def word(*known: str) -> Rule:
    """One of a few words."""
    return lambda name, value: checks.one_of(name, value, known)


def flag(name: str, value: Any) -> None:
    """True or False."""
    checks.flag(name, value)


def optional(rule: Rule) -> Rule:
    """The same, or None."""
    return lambda name, value: None if value is None else rule(name, value)


def or_word(known: str, rule: Rule) -> Rule:
    """The same, or one word."""
    return lambda name, value: None if isinstance(value, str) and value == known else rule(name, value)


def jobs(name: str, value: Any) -> None:
    """Number of jobs as joblib takes it: any whole number but 0."""
    if value is not None:
        checks.whole(name, value, least=-(2**31))
        if value == 0:
            raise ValueError(f"{name} is 0: give a number of jobs, -1 for all cores, or None")


def seed(name: str, value: Any) -> None:
    """A seed of `numpy.random.default_rng`: None, a whole number from 0 on, or a generator."""
    if value is not None and not isinstance(value, np.random.Generator):
        checks.whole(name, value, least=0)


def solver(name: str, value: Any) -> None:
    """Name of a solver, or a solver."""
    if isinstance(value, str):
        checks.one_of(name, value, ("auto", *sorted(available_solvers())))
    elif isinstance(value, type) or not (hasattr(value, "init") and hasattr(value, "step")):
        raise TypeError(f"{name} is {value!r}: give a name, or an object with init(observed) and step(...)")


def noise(name: str, value: Any) -> None:
    """Standard deviation of noise: "auto", None, a number from 0 on, or one for every feature."""
    if value is None or (isinstance(value, str) and value == "auto"):
        return
    meant = "give a standard deviation, one per feature, 'auto' or None"
    if isinstance(value, (str, bytes, bool, Mapping)):
        raise (ValueError if isinstance(value, str) else TypeError)(f"{name} is {value!r}: {meant}")
    if not is_array_api_obj(value) or isinstance(value, (np.ndarray, np.generic)):
        try:
            value = np.asarray(value)
        except ValueError as error:
            raise ValueError(f"{name} is {value!r}: {meant}") from error
        if value.dtype.kind not in "iuf":
            raise TypeError(f"{name} is {value.tolist()!r}: {meant}")
    xp = array_namespace(value)
    if value.ndim > 1:
        raise ValueError(f"{name} has {value.ndim} axes: {meant}")
    value = xp.astype(value, xp.float64) if xp.isdtype(value.dtype, "integral") else value
    if not bool(xp.all(xp.isfinite(value))) or not bool(xp.all(value >= 0)):
        raise ValueError(f"{name} holds numbers that are negative or not finite: {meant}")


def estimator_of(kind: type) -> Rule:
    """An estimator of this class, not the class itself."""

    def check(name: str, value: Any) -> None:
        if not isinstance(value, kind):
            raise TypeError(f"{name} is {value!r}: give a {kind.__name__}(...), or None for the default")

    return check


def labels(name: str, value: Any) -> None:
    """Hashable labels, one after another."""
    if isinstance(value, (str, bytes, Mapping)) or not (isinstance(value, Sequence) or hasattr(value, "tolist")):
        raise TypeError(f"{name} is {value!r}: give one label for each feature, or None")
    for label in value:
        try:
            hash(label)
        except TypeError:
            raise TypeError(f"{name} holds {label!r}: a label must be hashable, such as a word") from None


def grid(name: str, value: Any) -> None:
    """A grid of `sklearn.model_selection.ParameterGrid`: lists of values by parameter, or a list of such grids."""
    for one in (
        [value] if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) and value else [None]
    ):
        if not isinstance(one, Mapping):
            raise TypeError(f"{name} is {value!r}: give a dict of lists of values, or a list of such dicts")
        for key, values in one.items():
            if isinstance(values, (str, bytes)) or not hasattr(values, "__len__") or not len(values):
                raise ValueError(f"{name} holds {key}={values!r}: give a list of the values to try")
