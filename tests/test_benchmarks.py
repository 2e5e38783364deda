"""The benchmark must not lie: its judge, its references and a tiny run of the whole of it."""

import dataclasses
import importlib.util
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks import (  # noqa: E402
    accuracy,
    floor,
    hard_cases,
    narrow,
    peaks,
    penalties,
    phase_transition,
    references,
    run,
    tables,
)
from benchmarks.problems import GROUPS, Problem, drifting, planted, problems  # noqa: E402
from benchmarks.race import Race, Rules  # noqa: E402


def small(seed=0, m=40, n=30):
    return planted(m, n, 2, 0.05, seed).matrices[0], 1 / np.sqrt(max(m, n))


@given(st.integers(0, 10**6), st.floats(0.02, 0.6), st.sampled_from([0.0, 0.3, "columns"]), st.floats(0.01, 3))
@settings(max_examples=40, deadline=None)
def test_no_dual_value_exceeds_any_objective(seed, lam, slack, size):
    rng = np.random.default_rng(seed)
    matrix, low, dual = rng.standard_normal((3, 12, 9))
    slack = rng.uniform(0, 1, (1, 9)) * (rng.random((1, 9)) < 0.7) if slack == "columns" else slack
    best = accuracy.objective(matrix, size * low, lam, slack)
    assert accuracy.dual_value(matrix, size * dual, lam, slack) <= best * (1 + 1e-12)


@pytest.mark.parametrize("shape", [(60, 8), (8, 60), (20, 15)])
def test_threshold_of_the_triangular_factor_is_that_of_the_matrix(shape):
    x = np.random.default_rng(0).standard_normal(shape)
    left, values, right = np.linalg.svd(x, full_matrices=False)
    level = float(np.median(values))
    plain = (left * np.maximum(values - level, 0)) @ right
    assert np.linalg.norm(references.threshold_values(x, level) - plain) < 1e-13 * np.linalg.norm(plain)


@pytest.mark.parametrize("slack", [0.0, 0.4, "columns"])
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_reference_optimum_is_proved_by_its_own_dual(slack, missing):
    matrix, lam = small(3)
    rng = np.random.default_rng(1)
    slack = rng.uniform(0, 0.5, (1, 30)) * (rng.random((1, 30)) < 0.7) if slack == "columns" else slack
    seen = rng.random(matrix.shape) >= missing
    best = references.exact_optimum(np.where(seen, matrix, np.nan), lam, slack, seen, tol=1e-7)
    values = np.where(seen, matrix, 0.0)
    value = accuracy.objective(np.where(seen, matrix, best.low_rank), best.low_rank, lam, slack)
    assert best.error <= 1e-7
    assert abs(value - accuracy.dual_value(values, best.dual, lam, slack)) < 1e-5 * value
    rest = np.where(seen, matrix - best.low_rank - best.sparse - best.noise, 0)
    assert np.abs(rest).max() < 1e-12


def test_references_recover_the_planted_part_and_each_other():
    data = planted(60, 50, 3, 0.05, seed=5)
    matrix, truth = data.matrices[0], data.truths[0]
    lam = 1 / np.sqrt(60)
    answers = [f(matrix, lam) for f in (references.ialm_full, references.ialm_randomized, references.admm_full)]
    for answer in answers:
        assert np.linalg.norm(answer.low_rank - truth) < 1e-5 * np.linalg.norm(truth)
    assert answers[0].n_iter == answers[1].n_iter


def test_judge_tells_optimal_from_feasible():
    data = planted(60, 60, 3, 0.05, seed=0)
    matrix, truth = data.matrices[0], data.truths[0]
    lam = 1 / np.sqrt(60)
    good = (truth, matrix - truth, None)
    bad = (1.01 * truth, matrix - 1.01 * truth, None)
    judge = lambda answer: accuracy.evaluate([matrix], [answer], [lam], [0.0], [truth], [truth])  # noqa: E731
    assert judge(good)["gap"] < 1e-6 and judge(good)["rank"] == 3 and judge(good)["err_truth"] == 0
    assert judge(bad)["gap"] > 1e-3 and judge(bad)["err_truth"] == pytest.approx(0.01)
    # A multiplier given along can only prove more.
    exact = references.exact_optimum(matrix, lam)
    assert judge((truth, matrix - truth, exact.dual))["dual_bound"] >= judge(good)["dual_bound"]


def test_tiny_race_writes_table_plot_and_every_run(tmp_path):
    names = "ours,ours-admm,ialm-full,ialm-randomized,pyrpca"
    command = ["--size", "tiny", "--problems", "squares,frames", "--contenders", names, "--repeats", "2"]
    command += ["--threads", "1", "--python", sys.executable, "--out", str(tmp_path)]
    assert run.main(command) == 0
    runs = pd.read_csv(tmp_path / "tiny-runs.csv")
    table = tables.summary(runs)
    square = table[table["group"] == "squares"].set_index("contender")
    for name in ("ours", "ours-admm", "ialm-full", "ialm-randomized"):
        row = square.loc[name]
        assert row["status"] == "ok" and row["turns"] == 2 and row["seconds"] > 0 and row["peak_mib"] > 0
        assert row["err_truth"] < 1e-5 and row["err_reference"] < 1e-5 and row["excess"] < 1e-5 and row["rank"] == 3
    text = (tmp_path / "tiny-table.md").read_text()
    assert "## Ratios" in text and "Exponent" in text and (tmp_path / "tiny-cost.png").stat().st_size > 1000
    if importlib.util.find_spec("pyrpca") is None:  # a peer that is not there is shown, not hidden
        assert "error: ModuleNotFoundError" in text
    # Turns, not blocks: everybody's first run comes before anybody's second.
    order = runs[(runs["group"] == "squares") & (runs["status"] == "ok") & runs["repeat"].notna()]["repeat"]
    assert order.is_monotonic_increasing
    # A later run with --append replaces a contender's rows and keeps the others.
    assert run.main([*command[:5], "ialm-full", *command[6:], "--append", "--repeats", "1"]) == 0
    again = tables.summary(pd.read_csv(tmp_path / "tiny-runs.csv"))
    again = again[again["group"] == "squares"].set_index("contender")
    assert again.loc["ialm-full", "turns"] == 1 and again.loc["ours", "turns"] == 2


def test_contender_expected_over_the_cap_is_skipped_and_says_so(tmp_path):
    rules = Rules(sys.executable, 3, 1, cap=1.0, patient_cap=2.0, once_above=1.0, budget=100.0, scratch=tmp_path)
    race = Race(("skpcp",), rules, seen={"skpcp": [(3e7, 20.0)]})
    problem = Problem("square", "squares", lambda: planted(320, 320, 5, 0.05), 320)
    (row,) = race.run(problem)
    assert row["status"] == "skipped" and "s expected" in row["message"] and not race.workers


def test_problems_are_seeded_and_named_once(monkeypatch):
    monkeypatch.delenv("RPCA_AFFECT_DATA", raising=False)
    for size in ("tiny", "small", "full"):
        names = [problem.name for problem in problems(size)]
        assert len(names) == len(set(names))
    for problem in problems("tiny", GROUPS):
        first, second = problem.build(), problem.build()
        assert all(np.array_equal(a, b) for a, b in zip(first.matrices, second.matrices))
        assert all(np.isfinite(x).all() for x in first.matrices)
    data = drifting(200, 16)
    assert 0.01 < np.mean(data.matrices[0] != data.truths[0]) < 0.15


@pytest.mark.skipif("RPCA_AFFECT_DATA" not in os.environ, reason="needs the recordings: set RPCA_AFFECT_DATA")
def test_real_problems_have_the_shapes_of_the_recordings():
    found = {problem.name: problem.build() for problem in problems("tiny", ("real",))}
    assert [x.shape for x in found["gfe_person_a"].matrices] == [(150, 60)] * 2
    assert all(sigma.min() >= 0.02 for sigma in found["gfe_person_a"].sigmas)
    assert found["pexels_face"].matrices[0].shape == (40, 9 * 16)
    assert found["wavingtrees grey"].matrices[0].shape == (40, 12 * 16)
    assert all(np.isfinite(x).all() for data in found.values() for x in data.matrices)


def test_solve_finds_the_optimum_of_hard_cases(tmp_path):
    rows = [hard_cases.against_optimum(seed) for seed in (0, 2, 8, 24, 25, 34)]
    assert {row["noise"] for row in rows} >= {"none", "scalar"} and any(row["missing"] for row in rows)
    for row in rows:
        assert row["reference_error"] <= 1e-9 and row["difference"] < 1e-6, row
    assert hard_cases.main(["--count", "5", "--mode", "iteration", "--jobs", "1", "--out", str(tmp_path)]) == 0
    assert len(pd.read_csv(tmp_path / "hard-cases-iteration.csv")) == 5


def test_a_wrong_answer_fails_and_only_a_tied_optimum_is_forgiven(tmp_path, monkeypatch, capsys):
    where = ["--count", "1", "--jobs", "1", "--out", str(tmp_path)]
    assert hard_cases.main(["--first", "375", *where]) == 0  # whose objective has its minimum along a line
    assert "0 above 1e-06" in capsys.readouterr().out
    solve = hard_cases.ra.solve

    def wrong(matrix, *args, **wishes):
        split = solve(matrix, *args, **wishes)
        return dataclasses.replace(split, low_rank=1.001 * split.low_rank)

    monkeypatch.setattr(hard_cases.ra, "solve", wrong)
    assert hard_cases.main(["--first", "0", *where]) == 1
    assert "1 above 1e-06" in capsys.readouterr().out


def test_hard_cases_cover_what_they_promise():
    about = pd.DataFrame([hard_cases.case(seed).about for seed in range(200)])
    smaller = about[["m", "n"]].min(axis=1)
    assert set(about["spectrum"]) == set(hard_cases.SPECTRA)
    assert (about["rank"] / smaller).max() > 0.45 and about["density"].max() > 0.28
    assert (about["m"] > about["n"]).any() and (about["m"] < about["n"]).any()
    assert set(about["noise"]) == {"none", "scalar", "per column"} and 0.2 < (about["missing"] > 0).mean() < 0.5


def test_a_subspace_gives_the_answer_of_a_gram_matrix(capsys):
    assert narrow.main(["--turns", "1", "--shapes", "1"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.strip().splitlines()[1:]]
    assert len(lines) == len(narrow.MODELS)
    for line in lines:
        assert float(line[-1]) < 1e-7


def test_settings_of_the_penalty_are_compared(capsys):
    assert penalties.main(["--hard", "2", "--easy", "0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(penalties.SETTINGS)
    excess = {line.split(" | ")[0]: float(line.split()[-1]) for line in lines[1:]}
    assert 0 <= excess["1.5, 1.5"] < excess["1.6, 1.45"] < excess["1.5, 1.0"] < excess["2.0, 1.0"]


def test_phase_transition_keeps_what_it_has_computed(tmp_path, monkeypatch):
    cache = tmp_path / "cells.csv"
    grid = (["ialm", "godec"], 60, 2, 1, cache, 1, 0.1)
    first = phase_transition.shares(*grid)
    assert len(first) == 8 and first["share"].between(0, 1).all()
    easy = first[(first["rank"] == 0.05) & (first["density"] == 0.05)].set_index("solver")["share"]
    hard = phase_transition.shares(["ialm", "godec"], 30, 1, 1, cache, 1, 0.5)["share"]
    assert easy["godec"] == 1 and (hard == 0).all()
    monkeypatch.setattr(phase_transition, "recovered", lambda *_: pytest.fail("computed again"))
    pd.testing.assert_frame_equal(phase_transition.shares(*grid), first)
    phase_transition.draw(first, tmp_path / "phases.png")
    assert (tmp_path / "phases.png").stat().st_size > 1000


def test_floor_counts_bytes_and_flops(tmp_path):
    speed = floor.Rates(1, 1e9, 2e9, 1e9, 1e9)
    tall = floor.floor_seconds(floor.Shape(1000, 10, 1, 0.05), speed, lambda order: 0.0)
    assert tall["bytes"] == pytest.approx(24 * 1000 * 10 / 2e9)
    # 2 m n (2 k + r) with k = 1 + 5 against m n^2 + 4 m n r
    assert tall["route"] == "gram" and tall["flops"] == pytest.approx((1000 * 100 + 4 * 1000 * 10) / 1e9)
    command = ["--shapes", "80x60:2:0.05", "--cells", "65536", "--order", "100", "--repeats", "1", "--threads", "1"]
    assert floor.main([*command, "--out", str(tmp_path)]) == 0
    row = pd.read_csv(tmp_path / "floor.csv").iloc[0]
    assert row["floor"] == pytest.approx(row["bytes"] + row["flops"]) and row["step"] > 0 and row["steps"] > 5


def test_peaks_are_measured_in_processes_of_their_own(tmp_path, capsys):
    command = ["--size", "tiny", "--problems", "squares,tall", "--solvers", "ialm", "--out", str(tmp_path)]
    assert peaks.main(command) == 0
    table = pd.read_csv(tmp_path / "peaks.csv")
    assert list(table["problem"]) == ["60x60 rank 3 5%", "300x20 rank 2 5%", "300x20 rank 2 5%, turned"]
    # Two matrices come back; so small a problem needs many times that.
    assert (table["allocated"] > 2).all()
    assert (table["resident"] > 0).all()
    assert "300x20 rank 2 5%, turned" in capsys.readouterr().out


def test_the_stream_is_measured():
    from benchmarks import stream

    found = stream.measured(12, 700)
    assert found["frames a second"] > 0 and found["angle"] < 0.6
    assert stream.rivals(12, 600)["batch RobustPCA"]["angle"] < 0.6
