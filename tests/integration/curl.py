"""A request by curl, as documentation shows it."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import pytest

NEEDS_CURL = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


def curl(url: str, body: dict[str, Any], *options: str) -> tuple[int, str]:
    """Status and body of a POST."""
    command = ["curl", "-sSN", url, "-d", json.dumps(body), *options]
    command += ["-H", "Content-Type: application/json", "-w", "%{stderr}%{http_code}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return int(done.stderr), done.stdout
