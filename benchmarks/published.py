"""Test problems of the literature and of other packages: what was published, and what is obtained here.

Run `python -m benchmarks.published`. Problems are drawn as their sources describe them (seed 0). Error is that of the
low-rank part, relative to the true one; steps, duality gap and processor seconds are those of this package. Published
numbers stand where the source gives numbers (Candes, Li, Ma & Wright 2011, table 1; Xu and others 2010), as they are
remembered: no copy of the papers was at hand to check them against. The others give curves. LRPCA's problem and that of
pyrpca's test are drawn from their description.
"""

import sys
from collections.abc import Callable, Sequence
from time import process_time
from typing import Any, NamedTuple

import numpy as np

HEADS = ("problem", "source", "published", "solver", "error", "rank", "steps", "gap", "ended by", "seconds")


class Drawn(NamedTuple):
    """A matrix, its true low-rank part, and what else the solver is told."""

    matrix: np.ndarray
    truth: np.ndarray
    wishes: dict[str, Any]


def _low(rng, m: int, n: int, rank: int, scale: float = 1.0) -> np.ndarray:
    return scale * rng.standard_normal((m, rank)) @ rng.standard_normal((rank, n))


def _signs(n: int, share: float) -> Drawn:
    """Candes et al.: factors of variance 1 / n, signs on a random support."""
    rng = np.random.default_rng(0)
    low = _low(rng, n, n, n // 20, 1 / n)
    hit = rng.random((n, n)) < share
    return Drawn(low + hit * rng.choice([-1.0, 1.0], (n, n)), low, {})


def _gross(told: Callable[[int, int], dict[str, Any]]) -> Drawn:
    """Lin et al.: 500 x 500, rank 25, 5 % of the cells off by up to 500."""
    rng = np.random.default_rng(0)
    low = _low(rng, 500, 500, 25)
    hit = rng.random(low.shape) < 0.05
    return Drawn(low + hit * rng.uniform(-500, 500, low.shape), low, told(25, int(hit.sum())))


def _small(m: int, n: int) -> Drawn:
    """Outliers no larger than the cells themselves."""
    rng = np.random.default_rng(0)
    low = _low(rng, m, n, 5)
    return Drawn(low + (rng.random((m, n)) < 0.1) * rng.standard_normal((m, n)), low, {})


def _learned(n: int, share: float) -> Drawn:
    """LRPCA: rank 5, outliers uniform up to the mean absolute cell."""
    rng = np.random.default_rng(0)
    low = _low(rng, n, n, 5, 1 / n)
    size = float(np.abs(low).mean())
    return Drawn(low + (rng.random((n, n)) < share) * rng.uniform(-size, size, (n, n)), low, {})


def _noisy(told: dict[str, Any], sigma: float = 0.1, share: float = 0.05) -> Drawn:
    """Zhou et al.: rank 10, outliers uniform in [-5, 5], dense noise."""
    rng = np.random.default_rng(0)
    low = _low(rng, 200, 200, 10, 1 / np.sqrt(10))
    sparse = (rng.random(low.shape) < share) * rng.uniform(-5, 5, low.shape)
    return Drawn(low + sparse + sigma * rng.standard_normal(low.shape), low, told)


def _frames() -> Drawn:
    """Xu et al.: 400 x 400, rank 10, a tenth of the rows replaced at random."""
    rng = np.random.default_rng(0)
    low = _low(rng, 400, 400, 10, 1 / np.sqrt(10))
    low[:40] = 0.0
    matrix = low.copy()
    matrix[:40] = rng.standard_normal((40, 400))
    return Drawn(matrix, low, {"sparse": "frames"})


def _spread(rank: int, share: float) -> Drawn:
    """Netrapalli et al.: outliers of one size, between r / 2n and r / n."""
    rng, n = np.random.default_rng(0), 400
    low = _low(rng, n, n, rank, 1 / n)
    size = rng.uniform(rank / (2 * n), rank / n, (n, n)) * rng.choice([-1.0, 1.0], (n, n))
    return Drawn(low + (rng.random((n, n)) < share) * size, low, {"rank": rank})


# name, source, published (error, steps), solver, draw
ROWS: tuple[tuple[str, str, str, str, Callable[[], Drawn]], ...] = (
    ("500, signs 5 %", "Candes 2011", "1.1e-6, 16", "auto", lambda: _signs(500, 0.05)),
    ("1000, signs 5 %", "Candes 2011", "1.2e-6, 16", "auto", lambda: _signs(1000, 0.05)),
    ("500, signs 10 %", "Candes 2011", "1.2e-6, 17", "auto", lambda: _signs(500, 0.10)),
    ("1000, signs 10 %", "Candes 2011", "2.4e-6, 16", "auto", lambda: _signs(1000, 0.10)),
    ("500, gross 5 %", "Lin 2010", "", "auto", lambda: _gross(lambda rank, count: {})),
    ("500, gross 5 %", "Lin 2010", "", "admm", lambda: _gross(lambda rank, count: {})),
    ("500, gross 5 %, all told", "Lin 2010", "", "godec",
     lambda: _gross(lambda rank, count: {"rank": rank, "cardinality": count})),
    ("500, gross 5 %, rank told", "Lin 2010", "", "altproj", lambda: _gross(lambda rank, count: {"rank": rank})),
    ("500 x 400, 10 % N(0,1)", "pyrpca's test", "", "auto", lambda: _small(500, 400)),
    ("500 x 400, 10 % N(0,1)", "pyrpca's test", "", "admm", lambda: _small(500, 400)),
    ("1000, rank 5, 10 %", "LRPCA", "", "auto", lambda: _learned(1000, 0.1)),
    ("1000, rank 5, 10 %", "LRPCA", "", "admm", lambda: _learned(1000, 0.1)),
    ("200, noise 0.1, 5 %", "Zhou 2010", "curve", "auto", lambda: _noisy({"noise": 0.1})),
    ("200, noise 0.1, 5 %, all told", "Zhou & Tao 2011", "", "godec",
     lambda: _noisy({"rank": 10, "cardinality": 0.05})),
    ("400, 10 % of the frames", "Xu 2010", "exact", "auto", _frames),
    ("400, rank 5, 10 %, rank told", "Netrapalli 2014", "curve", "altproj", lambda: _spread(5, 0.1)),
    ("400, rank 5, 30 %, rank told", "Netrapalli 2014", "curve", "altproj", lambda: _spread(5, 0.3)),
)  # fmt: skip


def obtained(solver: str, draw: Callable[[], Drawn]) -> list[str]:
    """Solve a problem; return the cells of its row from the error on."""
    import rpca_affect as ra

    matrix, truth, wishes = draw()
    start = process_time()
    split = ra.solve(matrix, solver, **wishes)
    seconds = process_time() - start
    base = split.low_rank
    if "sparse" in wishes:  # a replaced frame has no base that could be right
        base = np.where(np.any(truth != 0, axis=1, keepdims=True), base, 0.0)
    error = float(np.linalg.norm(base - truth) / np.linalg.norm(truth))
    gap = "" if split.gap is None else f"{split.gap:.0e}"
    return [f"{error:.1e}", f"{split.rank}", f"{split.n_iter}", gap, split.status.reason, f"{seconds:.2f}"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one line per row, and write them to ``published.md``."""
    from benchmarks.commands import parser

    given = parser("benchmarks.published", __doc__).parse_args(arguments)
    lines = [f"| {' | '.join(HEADS)} |", f"|{'---|' * len(HEADS)}"]
    print(*lines, sep="\n")
    for name, source, published, solver, draw in ROWS:
        lines.append(f"| {' | '.join((name, source, published, solver, *obtained(solver, draw)))} |")
        print(lines[-1], flush=True)
    lines += [
        "",
        "Published numbers are quoted from memory of the papers and have not been checked against their text.",
    ]
    (given.out / "published.md").write_text("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
