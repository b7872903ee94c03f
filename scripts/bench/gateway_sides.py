"""What is compared: the upstream alone, our gateway before it, LiteLLM's proxy before it.

All stand at once, each a process, and take turns under the same load.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from assay.chain.anvil import Anvil, free_port
from assay.chain.parameters import DEMO
from assay.chain.process import ManagedProcess
from assay.core.wire import hexed
from assay.demo.parties import PROVIDERS, Party
from assay.engine.importer import SHIPPED_MODEL, import_checkpoint
from assay.engine.tokenizer import StreamDecoder, Tokenizer
from assay.trace.commitment import commit
from scripts.bench import gateway_customer, gateway_peers
from scripts.bench.arena import Arena
from scripts.bench.gateway_load import Target
from scripts.bench.gateway_upstream import HOST, Config

DIRECT, ASSAY, LITELLM = "direct", "assay", "litellm"
MODEL = SHIPPED_MODEL.name
OUTPUT_TOKENS = 16
PRICE_INPUT, PRICE_OUTPUT = 50_000, 200_000
READY_SECONDS = 600.0
ONE_CLAIM = 10**15
"""Slash of a claim: so little that a test network's bond covers all claims of a run."""
RULES = replace(DEMO, slash_per_claim=ONE_CLAIM, window_seconds=600)


@dataclass(frozen=True)
class Side:
    """A server under load; `process` is what is looked at for memory and profiles."""

    name: str
    target: Target
    process: ManagedProcess


class Town:
    """A chain with a checkpoint's model registered, and the processes that a part starts."""

    def __init__(self, folder: Path, stack: ExitStack, checkpoint: Path) -> None:
        self.folder = folder
        self._stack = stack
        self._checkpoint = checkpoint
        self.model = import_checkpoint(checkpoint)
        self.commitment = commit(self.model)
        self.tokenizer = Tokenizer.of_checkpoint(checkpoint)
        anvil = stack.enter_context(Anvil(log=folder / "anvil.log"))
        self.arena = Arena(anvil, self.commitment, folder, RULES)

    def upstream(self) -> Side:
        """The canned server; at its URL LiteLLM finds OpenAI's API, and our gateway a provider."""
        config = self._config()
        path = self.folder / "upstream.json"
        path.write_text(json.dumps(asdict(config)))
        command = [sys.executable, "-m", "scripts.bench.gateway_upstream", str(path)]
        process = self._start("upstream", command, os.environ)
        url = f"http://{HOST}:{config.port}"
        self.wait(process, f"{url}/health")
        return Side(DIRECT, Target(f"{url}/v1"), process)

    def gateway(self, provider_url: str) -> Side:
        """Ours, as `assay gateway serve` starts it, with keys, metering and limits."""
        party, customer = (self.arena.parties[role] for role in ("consumer", "challenger"))
        settings = {**gateway_customer.SETTINGS, "provider_urls": provider_url}
        process, url = self.service("gateway", party, **settings)
        key = gateway_customer.make_key(self.arena.network, customer, party.address, url)
        return Side(ASSAY, Target(f"{url}/v1", key), process)

    def litellm(self, upstream: str) -> Side:
        port = free_port()
        process = gateway_peers.litellm_proxy(self.folder, port, upstream, MODEL)
        self._stack.callback(process.stop)
        url = f"http://{HOST}:{port}"
        self.wait(process, f"{url}/health/liveliness")
        return Side(LITELLM, Target(f"{url}/v1", gateway_peers.KEY), process)

    def provider(self, threads: int) -> tuple[ManagedProcess, str]:
        """A real one, with bond for many claims, and its URL."""
        role, claims = PROVIDERS[0], 100_000
        network = self.arena.network
        network.assay.transfer(self.arena.parties[role].address, claims * ONE_CLAIM)
        self.arena.provider.assay.approve(network.providers.address, claims * ONE_CLAIM)
        self.arena.provider.providers.bond(claims * ONE_CLAIM)
        return self.service(
            "provider",
            self.arena.parties[role],
            threads=threads,
            max_running=16,
            price_input=PRICE_INPUT,
            price_output=PRICE_OUTPUT,
        )

    def service(self, name: str, party: Party, **settings: object) -> tuple[ManagedProcess, str]:
        """One of our services, and its URL."""
        port = free_port()
        place = self.folder / name
        given = {
            "rpc_url": self.arena.anvil.url,
            "deployment": self.folder / "deployment",
            "data_dir": place,
            "port": port,
            "log_format": "json",
            "model_path": self._checkpoint,
            **party.settings(),
            **settings,
        }
        env = {key: value for key, value in os.environ.items() if not key.startswith("ASSAY_")}
        env |= {f"ASSAY_{key.upper()}": str(value) for key, value in given.items()}
        command = [sys.executable, "-m", "assay.cli.main", name, "serve"]
        process = self._start(name, command, env)
        self.wait(process, f"http://{HOST}:{port}/health")
        return process, f"http://{HOST}:{port}"

    def wait(self, process: ManagedProcess, url: str) -> None:
        process.wait_until(lambda: _answers(url), READY_SECONDS)

    def _start(self, name: str, command: list[str], env: Mapping[str, str]) -> ManagedProcess:
        process = ManagedProcess(name, command, self.folder / f"{name}.log", env)
        self._stack.callback(process.stop)
        return process

    def _config(self) -> Config:
        tokens, pieces = canned(self.tokenizer)
        network = self.arena.network
        return Config(
            port=free_port(),
            chain_id=network.chain_id,
            settlement=network.settlement.address,
            key=hexed(bytes(self.arena.parties[PROVIDERS[0]].account.key)),
            model=MODEL,
            model_root=hexed(self.commitment.model_root),
            context_length=self.commitment.header.context_length,
            price_input=PRICE_INPUT,
            price_output=PRICE_OUTPUT,
            tokens=tokens,
            pieces=pieces,
        )


@contextmanager
def town(write: Callable[[Path], Path] | None = None) -> Iterator[Town]:
    """Ends every process; the logs go with the folder unless something fails.

    `write` makes the checkpoint in a folder; None: it is the shipped one.
    """
    folder = Path(tempfile.mkdtemp(prefix="assay-bench-"))
    with ExitStack() as stack:
        yield Town(folder, stack, write(folder / "random-360m") if write else SHIPPED_MODEL)
    shutil.rmtree(folder, ignore_errors=True)


def canned(tokenizer: Tokenizer) -> tuple[list[int], list[str]]:
    """Tokens of a text, none of which is an end, and the text of each."""
    text = (SHIPPED_MODEL / "heldout.txt").read_text(encoding="utf-8")
    tokens = tokenizer.encode(text)[1 : OUTPUT_TOKENS + 1]
    decoder = StreamDecoder(tokenizer)
    return tokens, [decoder.push(token) for token in tokens]


def bodies(
    tokenizer: Tokenizer, count: int, stream: bool, output: int, model: str = MODEL
) -> list[dict[str, Any]]:
    """Chats of some thirty tokens, each another piece of the held-out text."""
    text = (SHIPPED_MODEL / "heldout.txt").read_text(encoding="utf-8")
    tokens = tokenizer.encode(text)[1:]
    starts = range(0, 32 * count, 32)
    return [
        {
            "model": model,
            "messages": [{"role": "user", "content": tokenizer.decode(tokens[at : at + 32])}],
            "max_tokens": output,
            "temperature": 0,
            "stream": stream,
        }
        for at in starts
    ]


def resident(process: ManagedProcess) -> float:
    """MiB of a process in memory."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def processor_seconds(process: ManagedProcess) -> float:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
