"""Doubts and endings of solves as sentences, which name arguments in Python and flags in the shell."""

import shlex
from collections.abc import Callable, Mapping
from typing import Any, Literal

from rpca_affect.doubts import Doubt

__all__ = ["KINDS", "ending", "finding", "record", "remedy", "sentence", "setting"]

Door = Literal["python", "shell"]

# Flags that are not spelled like their parameter; a pair with a value stands for one that takes none.
FLAGS = {"missing": "--missing-words", ("resume", False): "--fresh"}


def setting(name: str, value: Any = ..., door: Door = "python") -> str:
    """Name a parameter, with a value where one is meant, as the user of a door would write it.

    Examples
    --------
    >>> setting("min_confidence", 0.5), setting("min_confidence", 0.5, "shell"), setting("noise", door="shell")
    ('min_confidence=0.5', '--min-confidence 0.5', '--noise')
    >>> setting("resume", False), setting("resume", False, "shell")
    ('resume=False', '--fresh')
    """
    if door == "shell":
        flag = FLAGS.get((name, value) if isinstance(value, bool) else name, f"--{name.replace('_', '-')}")
        return flag if value is ... or isinstance(value, bool) else f"{flag} {shlex.quote(str(value))}"
    return name if value is ... else f"{name}={value!r}"


def finding(doubt: Doubt, door: Door = "python") -> str:
    """Say what was found, without the full stop.

    Parameters
    ----------
    doubt : Doubt
    door : {"python", "shell"}

    Returns
    -------
    str
        Starts with "Meaningless split" where the doubt is severe.

    Examples
    --------
    >>> finding(Doubt("not_optimal", {"gap": 0.02, "solver": "ialm"}))
    'The split is feasible but not optimal: its relative duality gap is 0.02'
    """
    text = KINDS[doubt.kind][0](doubt.measure, door)
    places, total = doubt.measure.get("sequences"), doubt.measure.get("of", 1)
    where = ""
    if isinstance(places, list) and isinstance(total, int) and total > 1:
        where = f" in {len(places)} of {total} sequences ({_numbers(places)}"
        where += f"; sequence {doubt.measure['worst']} worst)" if len(places) > 1 else ")"
    if doubt.severe:
        return f"Meaningless split{where}: {text}"
    return f"{text[:1].upper()}{text[1:]}{where}"


def remedy(doubt: Doubt, door: Door = "python") -> str:
    """Say what to do about a doubt, without the full stop.

    Examples
    --------
    >>> remedy(Doubt("not_optimal", {"gap": 0.02, "solver": "ialm"}), "shell")
    'use --solver admm'
    """
    return KINDS[doubt.kind][1](doubt.measure, door)


def sentence(doubt: Doubt | Mapping[str, Any], door: Door = "python") -> str:
    """Put a doubt, or its record, into one sentence: the finding, then the remedy."""
    if not isinstance(doubt, Doubt):
        doubt = Doubt(doubt["kind"], dict(doubt["measure"]), bool(doubt["severe"]))
    return f"{finding(doubt, door)}; {remedy(doubt, door)}."


def record(doubt: Doubt, door: Door = "python") -> dict[str, Any]:
    """Return a doubt as a dict that JSON can hold: kind, severe, finding, remedy, measure."""
    return {
        "kind": doubt.kind,
        "severe": doubt.severe,
        "finding": finding(doubt, door),
        "remedy": remedy(doubt, door),
        "measure": doubt.measure,
    }


def ending(converged: bool, reason: str, measure: Mapping[str, Any], door: Door = "python") -> str:
    """Say how a solve, or the solves of all sequences, ended.

    Parameters
    ----------
    converged : bool
    reason : str
        A code of `rpca_affect.Status`.
    measure : mapping
        Its numbers.
    door : {"python", "shell"}

    Returns
    -------
    str

    Examples
    --------
    >>> ending(True, "tol", {"steps": 12, "error": 3e-8, "gap": 1e-6})
    'Converged in 12 steps (error 3.0e-08, relative duality gap 1.0e-06).'
    """
    if reason == "nothing":
        return "Nothing was solved: no cell was observed."
    if reason == "projected":
        return f"Projected robustly on a base of {measure['components']} components."
    steps = measure.get("steps", 0)
    taken = "1 step" if steps == 1 else f"{steps} steps"
    proof = f"error {measure.get('error', 0.0):.1e}"
    if measure.get("gap") is not None:
        proof += f", relative duality gap {measure['gap']:.1e}"
    if converged and reason == "gap":
        text = f"The wanted duality gap was proved after {taken} ({proof})."
    elif converged and reason == "still":
        text = f"Ended after {taken}: the base stands still ({proof})."
    elif converged:
        text = f"Converged in {taken} ({proof})."
    elif reason == "callback":
        text = f"Stopped by the callback after {taken} ({proof})."
    else:
        text = (
            f"{setting('max_iter', door=door)} = {steps} steps passed before {setting('tol', door=door)} = "
            f"{measure.get('tol', 0.0):.1e} was met ({proof}): raise {setting('max_iter', door=door)} or "
            f"{setting('tol', door=door)}."
        )
    if "sequences" in measure:
        good, total = measure["sequences"]
        return f"{good} of {total} sequences converged." + ("" if converged else f" {text}")
    return text


def _dense(measure: Mapping[str, Any], door: Door) -> str:
    found = []
    if "rank" in measure:
        found.append(f"rank {measure['rank']} of {measure['smaller']}")
    if "density" in measure:
        found.append(f"{100 * measure['density']:.0f} % of the cells in the sparse part")
    return f"{' and '.join(found)} is what dense noise looks like where the model has no part for it"


def _many_outliers(measure: Mapping[str, Any], door: Door) -> str:
    times = measure["fitted"] / measure["freedom"]
    return (
        f"{100 * measure['density']:.0f} % of the cells are in the sparse part: outliers, not noise, as {times:.0f} "
        "cells lie on the low rank for each of its free numbers, but so many outliers may tilt a convex base"
    )


def _use_noise(measure: Mapping[str, Any], door: Door) -> str:
    return f"use the noise-aware model ({setting('noise', 'auto', door)})"


def _open(measure: Mapping[str, Any], door: Door) -> str:
    return (
        f"only {measure['fitted']} cells agree with a low-rank part that has {measure['freedom']} free numbers, "
        "which any matrix can reach"
    )


def _not_optimal(measure: Mapping[str, Any], door: Door) -> str:
    return f"the split is feasible but not optimal: its relative duality gap is {measure['gap']:.1g}"


def _go_on(measure: Mapping[str, Any], door: Door) -> str:
    if measure["solver"] != "admm":
        return f"use {setting('solver', 'admm', door)}"
    return f"lower {setting('tol', door=door)} or raise {setting('max_iter', door=door)}"


def _predicts_nothing(measure: Mapping[str, Any], door: Door) -> str:
    share = max(0.0, float(measure["predicted"]))
    return f"the base predicts {share:.0%} of what hidden cells do, no more than unrelated features would give"


def _related(measure: Mapping[str, Any], door: Door) -> str:
    return (
        f"choose related features ({setting('features', door=door)}), mask lost frames "
        f"({setting('min_confidence', door=door)}) or give the noise ({setting('noise', door=door)})"
    )


def _short(measure: Mapping[str, Any], door: Door) -> str:
    return f"fewer than {measure['least']} frames are too few to tell noise, base and transients apart reliably"


def _lost(measure: Mapping[str, Any], door: Door) -> str:
    return (
        f"{measure['lost']} of {measure['frames']} frames have no observed cell: their base is filled in from their "
        "neighbours, which is no measurement"
    )


def _unordered(measure: Mapping[str, Any], door: Door) -> str:
    return (
        "the frames show no order in time, so differences of neighbours say nothing about the noise: it was measured "
        "from the bulk of the singular values"
    )


def _too_few_cells(measure: Mapping[str, Any], door: Door) -> str:
    return (
        f"{measure['count']} {measure['lines']} have at most {measure['rank']} cells that are neither missing nor "
        f"outliers, too few to determine a low-rank part of rank {measure['rank']}"
    )


def _apart(measure: Mapping[str, Any], door: Door) -> str:
    return (
        f"{measure['apart']} of {measure['frames']} frames have a direction of the base to themselves: outliers that "
        "are alike pass for base"
    )


def _set_apart(measure: Mapping[str, Any], door: Door) -> str:
    return (
        f"{measure['apart']} of {measure['frames']} frames had a direction of the base to themselves and were left out "
        "of it: they are sparse as a whole"
    )


def _excursions(measure: Mapping[str, Any], door: Door) -> str:
    several = measure["stretches"] > 1
    first = f"rows {measure['first']} to {measure['last']} of the sequence{', the first' if several else ''}"
    what = f"{measure['stretches']} stretches of {measure['frames']} frames in all ({first}) begin and end"
    if not several:
        what = f"1 stretch of {measure['frames']} frames ({first}) begins and ends"
    return f"{what} in jumps of many features at once, as no face moves but for a glance, and the base follows"


def _missing(measure: Mapping[str, Any], door: Door) -> str:
    return (
        f"{measure['share']:.0%} of the cells are missing: most of the base is predicted from what other features and "
        "frames hold, not measured"
    )


def _always(text: str) -> Callable[[Mapping[str, Any], Door], str]:
    return lambda measure, door: text


# kind -> finding and remedy, both from the numbers of the doubt and the door; the fragments start in lower case.
KINDS: dict[str, tuple[Callable[..., str], Callable[..., str]]] = {
    "dense": (_dense, _use_noise),
    "many_outliers": (
        _many_outliers,
        lambda measure, door: f"compare it with {setting('solver', 'altproj', door)} at this rank",
    ),
    "interpolated": (_open, lambda measure, door: f"lower {setting('rank', door=door)}, or use the noise-aware model"),
    "predicts_nothing": (_predicts_nothing, _related),
    "not_optimal": (_not_optimal, _go_on),
    "short": (_short, _always("read nothing into single numbers, or record for longer")),
    "missing": (
        _missing,
        lambda measure, door: f"leave out features that are rarely seen ({setting('drop', door=door)})",
    ),
    "lost_frames": (_lost, _always("the mask marks them")),
    "unordered": (
        _unordered,
        lambda measure, door: f"give the frames in order, or {setting('noise', door=door)} as a standard deviation",
    ),
    "apart": (
        _apart,
        lambda measure, door: (
            f"look at them: {setting('apart', True, door)} sets them apart, or mask ({setting('mask', door=door)}) "
            "what is none of it"
        ),
    ),
    "excursions": (
        _excursions,
        lambda measure, door: f"look whether they show another face, and mask ({setting('mask', door=door)}) them",
    ),
    "set_apart": (_set_apart, _always("look at them: the base may miss what only they show")),
    "too_few_cells": (
        _too_few_cells,
        lambda measure, door: f"lower {setting('rank', door=door)}, or use {setting('solver', 'admm', door)}",
    ),
}


def _numbers(places: list) -> str:
    return ", ".join(str(k) for k in places[:5]) + (f" and {len(places) - 5} more" if len(places) > 5 else "")
