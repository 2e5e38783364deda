"""Type checkers see every public name: the block that they read agrees with the names that are loaded on first use."""

import ast
from pathlib import Path

import rpca_affect


def seen_by_checkers() -> dict[str, str]:
    tree = ast.parse(Path(rpca_affect.__file__).read_text())
    block = next(n for n in tree.body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING")
    return {alias.asname: node.module for node in block.body for alias in node.names}


def test_every_public_name_is_visible_to_type_checkers():
    assert set(seen_by_checkers()) == set(rpca_affect.__all__) - {"__version__"}


def test_checkers_and_python_find_the_same_things():
    for name, module in seen_by_checkers().items():
        source = __import__(module, fromlist=[name])
        assert getattr(source, name) is getattr(rpca_affect, name), name


def test_the_package_says_that_it_is_typed():
    assert (Path(rpca_affect.__file__).parent / "py.typed").exists()
