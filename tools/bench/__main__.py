"""`python tools/bench`: measures, prints a table, and says which targets are met. See docs/PERFORMANCE.md."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    # Run as a folder or as a module, and from a checkout that is not installed.
    _TOOLS = Path(__file__).resolve().parents[1]
    sys.path[:0] = [str(_TOOLS), str(_TOOLS.parent / "src")]

    from bench.report import main

    sys.exit(main())
