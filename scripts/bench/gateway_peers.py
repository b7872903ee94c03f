"""Programs that the gateway's benchmark needs, in an environment of their own under `.bench/`.

LiteLLM's proxy is what the gateway is compared with, py-spy what looks into it. Made when they are
first asked for, which needs PyPI; made anew when their versions here change.
"""

from __future__ import annotations

import os
import subprocess
import venv
from collections.abc import Sequence
from pathlib import Path

from assay.chain.process import ManagedProcess
from scripts.bench.conditions import stderr

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".bench" / "gateway"
LITELLM = ("litellm[proxy]==1.106.2",)
PY_SPY = ("py-spy==0.4.3",)
KEY = "sk-bench"
"""LiteLLM's master key: keys of its own making would need a PostgreSQL beside it."""


def environment(name: str, packages: Sequence[str]) -> Path:
    """Folder of the programs of an environment that has these packages."""
    folder = HOME / name
    stamp = folder / "packages"
    wanted = "\n".join(packages)
    if not stamp.is_file() or stamp.read_text() != wanted:
        stderr.print(f"installing {', '.join(packages)} (once) …")
        venv.create(folder, with_pip=True, clear=True)
        install = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", *packages]
        subprocess.run(install, check=True)
        stamp.write_text(wanted)
    return folder / "bin"


def litellm_proxy(folder: Path, port: int, upstream: str, model: str) -> ManagedProcess:
    """The proxy as one process, before the same upstream; its own defaults otherwise."""
    programs = environment("litellm", LITELLM)
    config = folder / "litellm.yaml"
    config.write_text(
        "model_list:\n"
        f"  - model_name: {model}\n"
        f"    litellm_params: {{model: openai/{model}, api_base: {upstream}/v1, api_key: none}}\n"
        f"general_settings: {{master_key: {KEY}}}\n"
    )
    place = ["--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    command = [str(programs / "litellm"), "--config", str(config), *place]
    env = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
    # Its price list would be fetched, and its usage told, over the network.
    env |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"}
    return ManagedProcess("litellm", command, folder / "litellm.log", env)


def py_spy(pid: int, seconds: float, out: Path) -> subprocess.Popen[bytes]:
    """Record the stacks of a process, all threads, those that hold the interpreter's lock."""
    program = environment("py-spy", PY_SPY) / "py-spy"
    options = ["--pid", str(pid), "--duration", str(int(seconds)), "--gil", "--rate", "200"]
    output = ["--format", "raw", "--output", str(out)]
    return subprocess.Popen([program, "record", *options, *output], stderr=subprocess.DEVNULL)
