"""`python -m tvstreamer`: the same as the `tvstreamer` command."""

from __future__ import annotations

import sys

from tvstreamer.cli import main

if __name__ == "__main__":
    sys.exit(main())
