"""Admissible values of every parameter of the LSEF estimators: one rule under its name."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch

from rpca_affect import checks
from rpca_affect import parameter_rules as rules
from rpca_affect.deep.net import OPTIMIZERS

__all__ = ["PARAMETERS"]

MODELS = ("lsef", "identity", "gru", "tcn", "transformer")
SHARE = rules.number(least=0, most=1)


def _widths(name: str, value: Any) -> None:
    """Falling numbers of frames that end with 1."""
    if not isinstance(value, (tuple, list)):
        raise TypeError(f"{name} is {value!r}: give falling numbers of frames that end with 1, such as (8, 1)")
    for width in value:
        checks.whole(name, width, least=1)
    if list(value[-1:]) != [1] or any(a <= b for a, b in pairwise(value)):
        raise ValueError(f"{name} is {value!r}: give falling numbers of frames that end with 1, such as (8, 1)")


def _device(name: str, value: Any) -> None:
    """A device of torch, by name or as an object."""
    try:
        if not isinstance(value, (str, torch.device)):
            raise TypeError
        torch.device(value)
    except (TypeError, RuntimeError):
        raise ValueError(f"{name} is {value!r}: give a device of torch, such as 'cpu' or 'cuda:0'") from None


def _class_weight(name: str, value: Any) -> None:
    """A word, or a number for each class, which fit compares with the classes that are there."""
    if value is not None and not isinstance(value, Mapping):
        checks.one_of(name, value, ("balanced",))


PARAMETERS: dict[str, rules.Rule] = {
    "model": rules.word(*MODELS),
    "hidden": rules.whole(1),
    "n_stages": rules.whole(0),
    "solver": rules.word("ialm", "admm"),
    "filter_width": rules.whole(1),
    "modulate": rules.flag,
    "robust": rules.optional(rules.flag),
    "track": rules.optional(rules.flag),
    "dropout": SHARE,
    "split_share": SHARE,
    "widths": _widths,
    "consistency": rules.number(least=0),
    "rank_weight": rules.number(least=0),
    "sparsity_weight": rules.number(least=0),
    "optimizer": rules.word(*OPTIMIZERS),
    "lr": rules.number(above=0),
    "weight_decay": rules.number(least=0),
    "batch_size": rules.whole(1),
    "epochs": rules.whole(0),
    "corruption": SHARE,
    "class_weight": _class_weight,
    "device": _device,
    "random_state": rules.whole(0),
}
