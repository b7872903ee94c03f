"""A certificate of this machine's own, made by openssl."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

NEEDS_OPENSSL = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl is not installed"
)


@dataclass(frozen=True)
class Certificate:
    """PEM files; who trusts `certificate` trusts its owner."""

    certificate: Path
    key: Path

    def settings(self) -> dict[str, object]:
        return {"tls_certificate": self.certificate, "tls_key": self.key}


def make_certificate(folder: Path) -> Certificate:
    """For 127.0.0.1, good for a day."""
    made = Certificate(folder / "certificate.pem", folder / "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "1", "-subj", "/CN=assay", "-addext"]
    command += ["subjectAltName=IP:127.0.0.1", "-keyout", str(made.key)]
    command += ["-out", str(made.certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return made
