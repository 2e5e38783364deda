"""The command line: `rpca-affect inspect`, `decompose`, `demo`, `bench`, `train` and `predict`."""

import os
import sys

from rpca_affect.cli.app import app, fail

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line; every refusal is one sentence and exit code 2."""
    try:
        app()
    except (ValueError, TypeError, OSError, ImportError) as error:
        # A mistake of ours must stay visible: with the variable set, the traceback is shown.
        if os.environ.get("RPCA_AFFECT_DEBUG"):
            raise
        sys.exit(fail(str(error)))
