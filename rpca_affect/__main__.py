"""`python -m rpca_affect`: the command line under the interpreter's own name."""

from rpca_affect.cli import main

if __name__ == "__main__":
    main()
