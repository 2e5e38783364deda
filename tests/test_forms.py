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
    "arrow": lambda x: pd.DataFrame(x, columns=NAMES).astype("double[pyarrow]"),
    "sparse columns": lambda x: pd.DataFrame(x, columns=NAMES).astype(pd.SparseDtype("float", np.nan)),
    "frame of objects": lambda x: pd.DataFrame(x, columns=NAMES).astype(object),
    "masked, nothing hidden": np.ma.asarray,
}


@pytest.mark.parametrize("door", DOORS)
def test_every_form_of_numbers_is_read_alike(door):
    x = numbers()
    wanted = DOORS[door](x)
    for name, form in FORMS.items():
        np.testing.assert_allclose(np.asarray(DOORS[door](form(x)), dtype=float), wanted, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("door", DOORS)
def test_every_form_of_a_missing_cell_is_missing(door):
    x = numbers()
    holes = np.random.default_rng(1).random(x.shape) < 0.05
    wanted = DOORS[door](np.where(holes, np.nan, x))
    frame = pd.DataFrame(x, columns=NAMES).astype("Float64").mask(holes)
    objects = np.where(holes, None, x.astype(object))
    for form in (frame, frame.astype(object), np.where(holes, pd.NA, objects), objects, np.ma.masked_array(x, holes)):
        np.testing.assert_allclose(np.asarray(DOORS[door](form), dtype=float), wanted, atol=1e-12)


@pytest.mark.parametrize("door", sorted(set(DOORS) - {"one sequence", "descriptors"}))
def test_half_precision_of_torch_is_taken(door):
    torch = pytest.importorskip("torch")
    x = np.round(numbers() * 4) / 4
    found = DOORS[door](torch.tensor(x, dtype=torch.bfloat16))
    np.testing.assert_allclose(np.asarray(found), DOORS[door](x), atol=1e-3)


NO_MATRIX = {
    "mapping": lambda x: dict(zip(NAMES, x.T)),
    "generator": lambda x: (row for row in x),
    "nothing": lambda x: None,
    "lazy frame": lambda x: pytest.importorskip("polars").DataFrame(x, schema=NAMES).lazy(),
    "variables": lambda x: pd.DataFrame(x, columns=NAMES).to_xarray(),
}


@pytest.mark.parametrize("form", NO_MATRIX)
@pytest.mark.parametrize("door", ["solve", "RobustPCA", "search", "choose", "sequences", "noise"])
def test_what_is_no_matrix_is_refused_in_one_sentence(door, form):
    if form == "variables":
        pytest.importorskip("xarray")
    doors = DOORS | {
        "choose": ra.choose_lambda,
        "sequences": ra.SequenceRobustPCA().fit,
        "noise": ra.noise_level,
    }
    with pytest.raises(TypeError, match=r"^a \w+ is no matrix: give frames x features as an array or DataFrame"):
        doors[door](NO_MATRIX[form](numbers()))


@pytest.mark.parametrize("door", ["decompose", "solve", "RobustPCA", "search"])
def test_dates_are_no_features(door):
    with pytest.raises((TypeError, ValueError), match=r"dates|datetime64"):
        DOORS[door](np.round(numbers() * 64).astype("M8[s]"))


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
