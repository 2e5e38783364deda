"""What the core does without any extra; run by `make core` in an environment that has nothing else."""

import importlib.util
import inspect
import pydoc

import numpy as np

import rpca_affect as ra

absent = [
    name for name in ("pandas", "matplotlib", "typer", "rich", "torch", "numba") if importlib.util.find_spec(name)
]
assert not absent, f"this environment is not bare: it has {absent}"

problem = ra.synthetic.planted(300, 80, rank=4, density=0.05, random_state=0)
answer = ra.solve(problem.observed)
assert answer.rank == 4 and ra.metrics.relative_error(answer.low_rank, problem.low_rank) < 1e-5
for estimator in (ra.RobustPCA(n_components=4), ra.IncrementalRobustPCA(n_components=4), ra.SequenceRobustPCA()):
    assert np.isfinite(estimator.fit(problem.observed).transform(problem.observed[:5])).all()
assert len(ra.SequenceDescriptors().fit_transform([problem.observed[:100], problem.observed[100:]])) == 2

# Looking around must not fail where something is missing, and asking for it must name the extra.
assert {"solve", "decompose"} <= set(dir(ra))
inspect.getmembers(ra)
assert "solve" in pydoc.render_doc(ra)
assert not hasattr(ra, "no_such_name")
exec("from rpca_affect import *", {})
for name, extra in (("decompose", "cli"), ("plot_events", "cli")):
    try:
        getattr(ra, name)("nowhere.csv")
    except (ImportError, AttributeError) as error:
        assert f"rpca-affect[{extra}]" in str(error), f"{name}: {error}"
    else:
        raise AssertionError(f"{name} worked without its extra")
