"""A wanted duality gap reaches the solve from every door, and the status says that it ended there."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import rpca_affect as ra
from rpca_affect.cli.app import app
from rpca_affect.synthetic import make_session


@pytest.fixture(scope="module")
def table():
    return make_session(duration=10, n_events=4, random_state=3).frame


@pytest.mark.parametrize("gap", [1e-3, 1e-6])
def test_decompose_ends_at_a_wanted_gap(table, gap):
    split = ra.decompose(table, gap=gap, tol=1e-12, check=False)
    solved = split.decompositions[0]
    assert solved.gap <= gap and split.status.reason == "gap" and split.parameters["gap"] == gap
    assert "duality gap was proved" in str(split.status)
    assert solved.n_iter < 60  # to the tolerance it is hundreds


def test_without_one_the_tolerance_decides(table):
    split = ra.decompose(table, check=False)
    assert split.status.reason in ("tol", "still") and "gap" not in split.parameters


def test_the_estimator_takes_one():
    rng = np.random.default_rng(0)
    frames = rng.standard_normal((120, 3)) @ rng.standard_normal((3, 12)) + 0.05 * rng.standard_normal((120, 12))
    model = ra.RobustPCA(gap=1e-6, tol=1e-12, lags=1).fit(frames)
    assert model.certificate_.gap <= 1e-6 and model.get_params()["gap"] == 1e-6


def test_the_shell_takes_one(table, tmp_path):
    table.to_csv(tmp_path / "table.csv", index=False)
    words = ["decompose", str(tmp_path / "table.csv"), "-o", str(tmp_path / "out"), "--gap", "1e-6", "--tol", "1e-12"]
    done = CliRunner().invoke(app, [*words, "--no-check", "--quiet"])
    assert done.exit_code == 0, done.output
    about = json.loads((tmp_path / "out" / "summary.json").read_text())
    text = json.dumps(about)
    assert "duality gap was proved" in text, text[:500]
