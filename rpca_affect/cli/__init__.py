"""The command line: `rpca-affect inspect`, `decompose`, `demo`, `bench`, `train` and `predict`.

Exit codes: 0 all done; 1 an error that nobody foresaw; 2 an input, an option or a folder cannot be used, with one
sentence for each; 130 interrupted from the keyboard; 141 the reader of the output went away; 143 ended by the system.
"""

import os
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line and leave with its exit code; whatever happens, one sentence says it."""
    # Arrow's own pool takes a gigabyte of addresses at once, for which a limit on memory (ulimit -d) counts.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    try:
        from rpca_affect.cli.running import run
    except ModuleNotFoundError as error:
        from rpca_affect.extras import extra_of, install

        if error.name is None or extra_of(error.name) is None:
            raise
        sys.exit(f"Error: {install('the command line', error.name)}")
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(run(sys.argv[1:]))
