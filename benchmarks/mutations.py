"""Mistakes drawn at random from the code itself: which of them do the tests miss (`make mutations`)?

`benchmarks.mutants` holds mistakes that somebody thought of. Here every comparison, sign, factor, number, `and`, `or`
and `not` of a module is a place for one, and a sample of the places is planted, each in turn, in a copy of the tree. A
survivor is a line that no test guards, or a change that makes no difference: it is printed for a person to read.
"""

import argparse
import ast
import random
import sys
from collections.abc import Iterator
from pathlib import Path

from .mutants import ROOT, Mutant, copied, outcome

__all__ = ["GUARDS", "main", "mutations"]

EVENTS = ("tests/test_events.py",)
INCREMENTAL = ("tests/estimators/test_incremental.py",)
RECORDINGS = ("tests/test_recordings.py", "tests/test_recordings_siblings.py", "tests/test_recordings_exports.py")
# The tests that are named after what the module does.
GUARDS = {
    "rpca_affect/apart.py": ("tests/test_apart.py",),
    "rpca_affect/certificate.py": ("tests/test_gap.py",),
    "rpca_affect/gaps.py": ("tests/test_gaps.py",),
    "rpca_affect/jumps.py": ("tests/test_jumps.py",),
    "rpca_affect/lags.py": ("tests/test_lags.py",),
    "rpca_affect/newton.py": ("tests/test_newton.py", "tests/test_gap.py"),
    "rpca_affect/noise.py": ("tests/test_noise.py", "tests/test_noise_model.py"),
    "rpca_affect/noise_model.py": ("tests/test_noise_model.py", "tests/test_session.py"),
    "rpca_affect/penalty.py": ("tests/test_penalty.py", "tests/test_acceleration.py"),
    "rpca_affect/prox.py": ("tests/test_prox.py",),
    "rpca_affect/ranked.py": ("tests/test_ranked.py",),
    "rpca_affect/refitting.py": ("tests/test_session.py", "tests/test_noise_model.py"),
    "rpca_affect/stopping.py": ("tests/test_stopping.py",),
    "rpca_affect/metrics/matching.py": ("tests/test_metrics.py",),
    "rpca_affect/metrics/splits.py": ("tests/test_metrics.py",),
    "rpca_affect/session/chance.py": EVENTS,
    "rpca_affect/session/events.py": EVENTS,
    "rpca_affect/session/leverage.py": ("tests/test_leverage.py", *EVENTS),
    "rpca_affect/session/prediction.py": ("tests/test_prediction.py",),
    "rpca_affect/session/remainder.py": ("tests/test_remainder.py",),
    "rpca_affect/session/runs.py": EVENTS,
    "rpca_affect/estimators/sketch.py": INCREMENTAL,
    "rpca_affect/estimators/stream.py": INCREMENTAL,
    "rpca_affect/recordings/lost.py": ("tests/test_lost.py", "tests/test_plausible.py", *RECORDINGS),
    "rpca_affect/recordings/plausible.py": ("tests/test_plausible.py", "tests/test_recordings_exports.py"),
    "rpca_affect/recordings/when.py": RECORDINGS,
    "rpca_affect/recordings/clock.py": RECORDINGS,
    "rpca_affect/recordings/long.py": RECORDINGS,
}
SWAPPED = {
    ast.Lt: ast.GtE, ast.LtE: ast.Gt, ast.Gt: ast.LtE, ast.GtE: ast.Lt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.And: ast.Or, ast.Or: ast.And,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
NAMES = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=", ast.Add: "+", ast.Sub: "-",
    ast.Mult: "*", ast.Div: "/", ast.And: "and", ast.Or: "or", ast.BitAnd: "&", ast.BitOr: "|",
}  # fmt: skip


def changed(node: ast.AST) -> tuple[str, ast.AST] | None:
    """Name the mistake that a node invites and return the node with it; None where it invites none."""
    match node:
        case ast.Compare(ops=[op]) if type(op) in SWAPPED:
            swap = SWAPPED[type(op)]
            found = ast.Compare(node.left, [swap()], node.comparators)
        case ast.BinOp(op=op) | ast.BoolOp(op=op) if type(op) in SWAPPED and not textual(node):
            swap = SWAPPED[type(op)]
            found = ast.BinOp(node.left, swap(), node.right) if isinstance(node, ast.BinOp) else None
            found = found or ast.BoolOp(swap(), node.values)
        case ast.UnaryOp(op=ast.Not() | ast.Invert()):
            return "not -> nothing", node.operand
        case ast.Constant(value=bool()):
            return f"{node.value} -> {not node.value}", ast.Constant(not node.value)
        case ast.Constant(value=float()) if node.value:
            return f"{node.value} -> {3 * node.value}", ast.Constant(3 * node.value)
        case ast.Constant(value=int()):
            return f"{node.value} -> {node.value + 1}", ast.Constant(node.value + 1)
        case _:
            return None
    return f"{NAMES[type(op)]} -> {NAMES[swap]}", found


def textual(node: ast.AST) -> bool:
    """Whether text is joined, or types are, rather than numbers."""
    return any(isinstance(part, ast.JoinedStr | ast.Constant) and isinstance(getattr(part, "value", ""), str)
               for part in ast.walk(node))  # fmt: skip


def mutations(file: str, tests: tuple[str, ...], root: Path = ROOT) -> Iterator[Mutant]:
    """Yield every mistake that the functions of a module invite.

    Parameters
    ----------
    file : str
        The module, from the root of the tree.
    tests : tuple of str
        The files that should guard it.
    root : Path
        The tree.

    Yields
    ------
    Mutant
        ``before`` and ``after`` are lines of the file, ``before`` with as many lines around as make it unique.
    """
    text = (root / file).read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    nodes = {(n.lineno, n.col_offset, n.end_col_offset): n for f in functions for s in f.body for n in ast.walk(s)
             if isinstance(n, ast.expr) and n.lineno == n.end_lineno}  # fmt: skip
    for (line, begin, end), node in sorted(nodes.items()):
        found = changed(node)
        if found is None:
            continue
        whole = lines[line - 1].encode()
        after = (whole[:begin] + f"({ast.unparse(found[1])})".encode() + whole[end:]).decode()
        first = line - 1
        while text.count("".join(lines[first:line])) > 1 and first:
            first -= 1
        around = "".join(lines[first : line - 1])
        yield Mutant(f"line {line}: {found[0]}", file, around + lines[line - 1], around + after, tests)


def main() -> int:
    """Plant a sample and print what became of each; the number of survivors is the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("word", nargs="?", default="", help="only modules whose path contains it")
    parser.add_argument("--count", type=int, default=60, help="mistakes to plant")
    parser.add_argument("--random-state", type=int, default=0, help="which of them")
    args = parser.parse_args()
    places = [place for file, tests in GUARDS.items() if args.word in file for place in mutations(file, tests)]
    sample = random.Random(args.random_state).sample(places, min(args.count, len(places)))
    print(f"{len(sample)} of {len(places)} places")
    survivors = 0
    with copied(ROOT) as tree:
        for mutant in sample:
            became = outcome(mutant, tree)
            survivors += became != "killed"
            print(f"{became:9} {mutant.file} {mutant.mistake}: {mutant.after.splitlines()[-1].strip()}", flush=True)
    print(f"{survivors} of {len(sample)} survived")
    return min(survivors, 100)


if __name__ == "__main__":
    sys.exit(main())
