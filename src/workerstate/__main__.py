"""``python -m workerstate``: the command line."""

from workerstate.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
