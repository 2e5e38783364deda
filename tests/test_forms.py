"""The same numbers in every form in which Python holds a table give the same answer at every door."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import rpca_affect as ra

NAMES = [f"f{k}" for k in range(6)]
DOORS = {
    "decompose": lambda x: ra.decompose(x).base,
    "solve": lambda x: ra.solve(x).low_rank,
    "levels": lambda x: ra.solve_levels(x, (4, 1)).rest,
    "RobustPCA": lambda x: ra.RobustPCA(lags=1).fit_transform(x),
    "one sequence": lambda x: ra.SequenceRobustPCA(output="low_rank").fit_transform([x])[0],
    "descriptors": lambda x: ra.SequenceDescriptors().fit_transform([x, x]),
    "search": lambda x: ra.RobustPCASearch(n_repeats=1, random_state=0).fit(x).cv_results_["mean_test_score"],
}


def numbers():
    x = ra.synthetic.planted(60, 6, rank=1, density=0.03, random_state=0).observed
    return np.round(x * 64) / 64  # exact in every form


def structured(x):
    rows = np.zeros(len(x), dtype=[(name, float) for name in NAMES])
    for name, column in zip(NAMES, x.T):
        rows[name] = column
    return rows


FORMS = {
    "big-endian": lambda x: x.astype(">f8"),
    "column by column": np.asfortranarray,
    "every other row": lambda x: np.repeat(x, 2, axis=0)[::2],
    "objects": lambda x: x.astype(object),
    "decimals": lambda x: np.array([[Decimal(float(v)) for v in row] for row in x]),
    "lists": lambda x: x.tolist(),
    "frame": lambda x: pd.DataFrame(x, columns=NAMES),
    "frame without names": pd.DataFrame,
    "nullable": lambda x: pd.DataFrame(x, columns=NAMES).astype("Float64"),
    "frame of objects": lambda x: pd.DataFrame(x, columns=NAMES).astype(object),
    "masked, nothing hidden": np.ma.asarray,
}


@pytest.mark.parametrize("door", DOORS)
def test_every_form_of_numbers_is_read_alike(door):
    x = numbers()
    wanted = DOORS[door](x)
    for name, form in FORMS.items():
        np.testing.assert_allclose(np.asarray(DOORS[door](form(x)), dtype=float), wanted, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("form", [
    structured, lambda x: pd.DataFrame(x, columns=NAMES).to_dict("list"),
    lambda x: pd.DataFrame(x, columns=NAMES).to_dict("records"),
    lambda x: pytest.importorskip("polars").DataFrame(x, schema=NAMES).lazy(),
])  # fmt: skip
def test_tables_by_name_are_recordings(form):
    x = numbers()
    found, wanted = ra.decompose(form(x)), ra.decompose(pd.DataFrame(x, columns=NAMES))
    assert list(found.base.columns) == NAMES
    np.testing.assert_array_equal(found.base, wanted.base)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("form", [scipy.sparse.csr_matrix, scipy.sparse.coo_array])
def test_sparse_matrices_are_refused_with_what_to_give(door, form):
    with pytest.raises(TypeError, match=r"x\.toarray\(\)"):
        DOORS[door](form(numbers()))


def test_columns_of_two_levels_are_refused_with_how_to_join_them():
    columns = pd.MultiIndex.from_product([["left", "right"], ["x", "y", "z"]])
    table = pd.DataFrame(numbers(), columns=columns)
    with pytest.raises(ValueError, match=r"join them, table.columns = "):
        ra.decompose(table)
    table.columns = ["_".join(map(str, names)) for names in table.columns]
    assert list(ra.decompose(table).base.columns) == list(table.columns)
