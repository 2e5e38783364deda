"""What is measured a few rows at a time is what the whole recording says."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rpca_affect.session import remainder
from rpca_affect.session.remainder import Remainder


def _held(values):
    same = values[1:] == values[:-1]
    held = np.zeros(values.shape, dtype=bool)
    held[1:] |= same
    held[:-1] |= same
    return held


def _parts(seed, frames, features):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 3, (frames, features)).astype(float)
    transient = np.where(rng.random(values.shape) < 0.2, rng.standard_normal(values.shape), 0.0)
    residual = rng.standard_normal(values.shape)
    lost = rng.random(values.shape) < 0.3
    transient[lost] = residual[lost] = 0.0
    return Remainder(transient, residual, values)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 90), st.integers(1, 5), st.integers(0, 90), st.integers(1, 90))
def test_some_rows_hold_what_all_rows_hold(seed, frames, features, start, count):
    left = _parts(seed, frames, features)
    whole = np.where(_held(left.values), 0.0, left.transient + left.residual)
    rows = slice(min(start, frames), min(start + count, frames))
    assert np.array_equal(left.moving(rows), whole[rows])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 90), st.integers(1, 5), st.integers(1, 40), st.integers(1, 60))
def test_medians_and_smallest_transients_by_rows(seed, frames, features, block, cells):
    left = _parts(seed, frames, features)
    moving = np.where(_held(left.values), 0.0, np.abs(left.transient + left.residual))
    count = max(frames // block, 1)
    medians = np.zeros((-(-frames // block), features))
    for k in range(count):
        part = moving[k * block : (k + 1) * block if k < count - 1 else frames]
        for j in range(features):
            seen = part[part[:, j] > 0, j]
            medians[k, j] = np.median(seen) if len(seen) > remainder.MOVING * len(part) else 0.0
    medians[count:] = medians[count - 1]
    padded = np.pad(medians, ((1, 1), (0, 0)))
    beside = np.max([padded[:-2], padded[1:-1], padded[2:]], axis=0)
    assert np.array_equal(left.local_sizes(block), beside)

    size = np.abs(left.transient + left.residual)
    inside = np.min(size, axis=0, where=left.transient != 0, initial=np.inf)
    before, remainder.CELLS = remainder.CELLS, cells
    try:
        found = left.least_transient()
    finally:
        remainder.CELLS = before
    assert np.array_equal(found, np.where(np.isfinite(inside), inside, size.max(axis=0)))
