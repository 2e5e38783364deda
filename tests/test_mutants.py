"""The list of planted mistakes follows the code; `make mutants` plants them, `make mutations` draws others."""

import ast
from pathlib import Path

import pytest

from benchmarks.mutants import MUTANTS, Mutant, outcome, planted
from benchmarks.mutations import GUARDS, mutations

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


@pytest.mark.parametrize("file", GUARDS)
def test_a_mistake_drawn_from_the_code_is_code_that_differs(file):
    assert all((ROOT / test).exists() for test in GUARDS[file])
    before = ast.dump(ast.parse((ROOT / file).read_text(encoding="utf-8")))
    texts = [planted(mutant, ROOT) for mutant in mutations(file, GUARDS[file])]
    assert len(texts) > 10 and None not in texts
    assert before not in {ast.dump(ast.parse(text)) for text in texts[::5]}


def test_every_kind_of_place_is_found(tmp_path):
    (tmp_path / "module.py").write_text(
        "LIMIT = 3\n\n\ndef f(x, known):\n"
        "    if not known and x < 2:\n        return x + 0.5\n"
        "    return f'{x}' + 'text', ~known, x * 1\n"
    )
    found = {mutant.mistake for mutant in mutations("module.py", ("test_module.py",), tmp_path)}
    assert found == {
        "line 5: and -> or", "line 5: not -> nothing", "line 5: < -> >=", "line 5: 2 -> 3", "line 6: + -> -",
        "line 6: 0.5 -> 1.5", "line 7: not -> nothing", "line 7: * -> /", "line 7: 1 -> 2",
    }  # fmt: skip
