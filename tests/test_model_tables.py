"""The tables about the model, the events and the doubts run, and say what they promise to say."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks import alarms, doubt_curve, model_checks, model_report, model_tables  # noqa: E402


@pytest.mark.parametrize("part", model_tables.PARTS)
def test_tables_of_the_model(part, tmp_path, capsys):
    assert model_tables.main([part, "--small", "--out", str(tmp_path)]) == 0
    table = pd.read_csv(tmp_path / f"model-{part}.csv")
    assert part in capsys.readouterr().out and len(table)
    numbers = table.select_dtypes("number")
    assert np.isfinite(numbers.to_numpy()).all()
    if part in ("hidden", "aside"):
        assert {"plain", "line", "low_pass", "hampel", "pca"} <= set(table)
        assert (table["plain"] < 0.9).all()
    if part == "bursts":
        mean = table.groupby("method")["found"].mean()
        assert mean["decompose"] > mean["hampel"]


def test_planted_bursts_are_where_they_are_said_to_be():
    values = np.random.default_rng(0).standard_normal((200, 12))
    added, places = model_tables.plant(values, np.ones(12), 3)
    covered = np.zeros(values.shape, dtype=bool)
    for block in places:
        covered[block] = True
        assert 1 <= len(block[0]) <= 10 and 1 <= block[1].size <= 8
    assert np.array_equal(covered, added != 0)
    assert np.abs(added[covered]).min() >= 3 and np.abs(added[covered]).max() <= 10


@pytest.mark.parametrize("method", [model_tables.low_pass, model_tables.hampel, model_tables.pca])
def test_rivals_keep_a_slow_curve_and_fill_its_gaps(method):
    curve = np.sin(np.arange(300) / 40)[:, None] * np.linspace(1, 3, 6)
    known = np.ones(curve.shape, dtype=bool)
    known[100:105, 2] = False
    guess = method(np.where(known, curve, np.nan), known, 30.0)
    assert np.isfinite(guess).all()
    assert model_tables.relative(guess[known], curve[known]) < 0.05


def test_doubt_curve(tmp_path, capsys):
    assert doubt_curve.main(["--small", "--out", str(tmp_path)]) == 0
    table = pd.read_csv(tmp_path / "doubt-curve.csv")
    assert (tmp_path / "doubt-curve.png").stat().st_size > 10_000
    alarms_, misses = doubt_curve.rates(table, doubt_curve.LIMIT)
    assert alarms_ == misses == 0
    assert doubt_curve.rates(table, -1.0) == (0.0, 1.0) and doubt_curve.rates(table, 1.1) == (1.0, 0.0)
    assert "false alarms" in capsys.readouterr().out


def test_alarms(tmp_path):
    assert alarms.main(["--small", "--out", str(tmp_path)]) == 0
    asked = pd.read_csv(tmp_path / "events-alarms.csv")
    assert len(asked) == len(alarms.noises()) and (asked["asked 3"] >= asked["asked 0.3"]).all()
    planted = pd.read_csv(tmp_path / "events-bursts.csv")
    assert planted["recall"][0] > 0.4
    assert pd.read_csv(tmp_path / "events-demo.csv")["planted listed"][0] >= 0.75


def test_spoiled_siblings_and_the_oracle(tmp_path, capsys):
    assert model_checks.main(["siblings", "real", "--small", "--out", str(tmp_path)]) == 0
    spoiled = pd.read_csv(tmp_path / "model-siblings.csv")
    assert (spoiled["ratio"] < 1.5).all() and not spoiled["silent"].any()
    assert "generated session" in capsys.readouterr().out


def test_the_oracle_is_far_better_than_the_data():
    rng = np.random.default_rng(0)
    low = rng.standard_normal((60, 3)) @ rng.standard_normal((3, 60))
    struck = rng.random(low.shape) < 0.1
    clean = low + 0.1 * rng.standard_normal(low.shape)
    best = model_checks.oracle(low, clean, struck, 3)
    assert model_tables.relative(best, low) < 0.5 * model_tables.relative(clean, low)


def test_the_page_holds_every_table_that_is_there(tmp_path, capsys):
    pd.DataFrame({"shape": ["3 x 4"], "rank of noise": ["[0]"], "size": [0.12345]}).to_csv(
        tmp_path / "model-ranks.csv", index=False
    )
    long = {"recording": ["talk AU"], "frames": [300], "features": [17]}
    short = {"recording": ["a AU", "b AU"], "frames": [20, 30], "features": [17, 17]}
    values = {name: [0.5, 0.25] for name in ("plain", "lags", "line", "low_pass", "hampel", "pca")}
    hidden = pd.concat([pd.DataFrame(long | {k: [0.125] for k in values}), pd.DataFrame(short | values)])
    hidden.to_csv(tmp_path / "model-hidden.csv", index=False)
    assert model_report.main(["--tables", str(tmp_path), "--out", str(tmp_path / "model.md")]) == 0
    page = (tmp_path / "model.md").read_text(encoding="utf-8")
    assert "| 3 x 4 | [0] | 0.123 |" in page and "| talk AU | 300 | 17 | 0.125 |" in page
    assert "| median of 2 clips, AU | 25 | 17 | 0.375 |" in page
    assert "model-gross.csv is not there" in capsys.readouterr().err
