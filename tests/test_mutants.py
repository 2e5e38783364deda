"""The list of planted mistakes follows the code; `make mutants` plants them."""

from pathlib import Path

import pytest

from benchmarks.mutants import MUTANTS, Mutant, outcome, planted

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.mistake)
def test_the_line_of_every_mutant_stands_once(mutant):
    assert planted(mutant, ROOT) is not None
    assert all((ROOT / test).exists() for test in mutant.tests)


def test_a_mutant_is_killed_survives_or_is_stale(tmp_path):
    (tmp_path / "code_under_test.py").write_text("def twice(x):\n    return 2 * x\n")
    (tmp_path / "test_code.py").write_text(
        "from code_under_test import twice\n\n\ndef test_twice():\n    assert twice(1) == 2\n"
    )
    change = Mutant("three for two", "code_under_test.py", "2 * x", "3 * x", ("test_code.py",))
    assert outcome(change, tmp_path) == "killed"
    assert outcome(change._replace(after="x + x"), tmp_path) == "survived"
    assert outcome(change._replace(before="4 * x"), tmp_path) == "stale"
