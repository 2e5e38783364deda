"""`bench`: the solvers on this machine, tuned and as the reference loop, on a matrix whose parts are known."""

import statistics
import time
from functools import partial
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from rpca_affect.cli.console import answer

__all__ = ["measure", "run_bench"]


def run_bench(frames: int, features: int, repeat: int, *, as_json: bool) -> None:
    """Measure and print."""
    rows = measure(frames, features, repeat)
    if as_json:
        answer(rows)
        return
    rank = max(1, min(frames, features) // 20)
    title = f"{frames} x {features}, rank {rank}, 5 % gross errors, seconds (median of {repeat}, in turns)"
    table = Table(title=title, title_justify="left", box=None)
    for name in rows[0]:
        table.add_column(name.replace("_", " "), justify="left" if name == "solver" else "right")
    for row in rows:
        table.add_row(*(f"{v:.2g}" if isinstance(v, float) and abs(v) < 1e-2 else f"{v:.3g}" if isinstance(v, float)
                        else str(v) for v in row.values()))  # fmt: skip
    Console(highlight=False).print(table)


def measure(frames: int, features: int, repeat: int) -> list[dict[str, Any]]:
    """Time every solver, and the reference loop doing the same steps, in turns.

    Parameters
    ----------
    frames, features : int
        Shape of the matrix; its rank is a twentieth of the smaller side and 5 % of its cells are gross errors.
    repeat : int
        Runs of each; the median counts.

    Returns
    -------
    list of dict
        ``solver``, ``seconds``, ``reference_seconds``, ``steps``, ``rank``, ``base_error`` (relative to the planted
        base).
    """
    from rpca_affect.solvers import available_solvers
    from rpca_affect.solving import solve
    from rpca_affect.synthetic import planted

    rank = max(1, min(frames, features) // 20)
    problem = planted(frames, features, rank, 0.05, random_state=0)
    known: dict[str, dict[str, Any]] = {
        "godec": {"rank": rank, "cardinality": int(np.count_nonzero(problem.sparse))},
        "altproj": {"rank": rank},
    }
    rows = []
    for name in sorted(available_solvers()):
        words: dict[str, Any] = {**known.get(name, {}), "random_state": 0}
        tuned = partial(solve, problem.observed, name, **words)
        plain = partial(_reference, problem.observed, name, words)
        answer = tuned()  # also compiles, and warms the caches up
        spent: dict[Any, list[float]] = {tuned: [], plain: []}
        for _ in range(repeat):
            for run, times in spent.items():
                started = time.perf_counter()
                run()
                times.append(time.perf_counter() - started)
        error = np.linalg.norm(answer.low_rank - problem.low_rank) / np.linalg.norm(problem.low_rank)
        rows.append(
            {
                "solver": name,
                "seconds": statistics.median(spent[tuned]),
                "reference_seconds": statistics.median(spent[plain]),
                "steps": int(answer.n_iter),
                "rank": int(answer.rank),
                "base_error": float(error),
            }
        )
    return rows


def _reference(observed: np.ndarray, name: str, words: dict[str, Any]) -> Any:
    """The same solve by the reference loop, which any array library runs."""
    from rpca_affect import loop
    from rpca_affect.arrays import observe, power_of_two
    from rpca_affect.request import Request
    from rpca_affect.solvers import available_solvers

    kind: Any = available_solvers()[name]
    fields = getattr(kind, "__dataclass_fields__", {})
    solver = kind(**{key: value for key, value in words.items() if key in fields})
    data = observe(observed)
    return loop.run(data, power_of_two(data.largest()), solver, None, Request(1e-7, kind.default_max_iter))
