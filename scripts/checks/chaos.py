"""The chaos suite with all its faults: more rounds, other instants, a kept table.

    python -m scripts.checks.chaos [--rounds N] [--seed S] [--out FILE] [FAULT …]

Exits as pytest does; the faults' names are in `tests/e2e/chaos/faults.py`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUITE = "tests/e2e/test_chaos.py"


def main() -> int:
    parser = argparse.ArgumentParser(description="Faults and outcomes, under load.")
    parser.add_argument("--rounds", type=int, default=1, help="how often each fault strikes")
    parser.add_argument("--seed", type=int, default=1, help="of the instants")
    parser.add_argument("--out", type=Path, help="also write the table as JSON to this file")
    parser.add_argument("fault", nargs="*", help="these alone")
    options = parser.parse_args()
    env = {**os.environ, "ASSAY_CHAOS_ROUNDS": str(options.rounds)}
    env["ASSAY_CHAOS_SEED"] = str(options.seed)
    if options.out:
        env["ASSAY_CHAOS_OUT"] = str(options.out.resolve())
    chosen = [
        f"{SUITE}::test_nothing_is_lost[{fault}-{turn}]"
        for fault in options.fault
        for turn in range(options.rounds)
    ]
    command = [sys.executable, "-m", "pytest", "-q", *(chosen or [SUITE])]
    return subprocess.run(command, cwd=ROOT, env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
