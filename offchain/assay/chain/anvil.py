"""A real Anvil (Foundry's local Ethereum node) as a child process.

Finds the binary, refuses a taken port with a message that says what to do, waits until the
node answers, and leaves nothing behind. Its ten development accounts have well-known keys and
hold 10,000 ether each: they fund others, on local chains only.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import socket
import sys
import tempfile
from functools import cache
from pathlib import Path
from types import TracebackType

import requests
from eth_account import Account
from eth_account.signers.local import LocalAccount

from assay.chain.keys import load_account
from assay.chain.process import ManagedProcess
from assay.core.errors import ConfigError, EnvironmentMissing
from assay.core.settings import LOCAL_CHAIN_ID, ChainSettings

MNEMONIC = "test test test test test test test test test test test junk"
DEFAULT_PORT = 8545
READY_SECONDS = 20.0
HARDFORK = "prague"
QUIET_PORTS = range(15_000, 32_000)
"""Below what Linux, macOS and Windows give to outgoing connections, from 32,768 or 49,152 on."""
_given: set[int] = set()


def find_anvil() -> str:
    """Path of the binary: $ASSAY_ANVIL, else beside this Python, else on PATH."""
    override = os.environ.get("ASSAY_ANVIL")
    if override:
        if not os.access(override, os.X_OK):
            raise ConfigError(f"ASSAY_ANVIL names {override}, which is no executable file")
        return override
    beside = Path(sys.executable).with_name("anvil")
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("anvil")
    if found is None:
        raise EnvironmentMissing(
            f"anvil is neither beside {sys.executable} nor on PATH; run ./scripts/demo or "
            "./scripts/test once (they install it), or set ASSAY_ANVIL to its path"
        )
    return found


def require_free_port(port: int, what: str, remedy: str, host: str = "127.0.0.1") -> None:
    """Raise EnvironmentMissing unless `what` could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise EnvironmentMissing(
                f"port {port} on {host} is taken, {what} cannot listen there; {remedy}"
            ) from error


def free_port(host: str = "127.0.0.1") -> int:
    """A port that is free now (another program may still take it before it is used).

    Not one of those that systems give to outgoing connections, each of which would take it.
    """
    while True:
        port = secrets.choice(QUIET_PORTS)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((host, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
        if port not in _given:
            _given.add(port)
            return port


@cache
def dev_account(index: int = 0) -> LocalAccount:
    """One of Anvil's prefunded accounts; its key is public knowledge."""
    Account.enable_unaudited_hdwallet_features()
    account: LocalAccount = Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{index}")
    return account


def account_or_dev(settings: ChainSettings, chain_id: int) -> LocalAccount:
    """The settings' keystore; on a local chain without one, the first development account."""
    if chain_id == LOCAL_CHAIN_ID and settings.keystore is None:
        return dev_account()
    return load_account(settings)


class Anvil:
    """A running node; a context manager that stops it.

    It mines each transaction at once; `rpc("evm_setIntervalMining", …)` changes that.
    Parameters: `port` (0: any free one); `hardfork` fixes the gas rules; `log` is its output
    file (None: a temporary one); `chain_id` another than the local one, for rehearsals; `state`
    a file that the chain begins from, as `--dump-state` or `anvil_dumpState` wrote it; `timestamp`
    what the clock begins at (None: our own time, even if the state's newest block is later).
    """

    def __init__(
        self,
        port: int = 0,
        hardfork: str = HARDFORK,
        log: Path | None = None,
        chain_id: int = LOCAL_CHAIN_ID,
        state: Path | None = None,
        timestamp: int | None = None,
    ) -> None:
        binary = find_anvil()
        self.port = port or free_port()
        require_free_port(
            self.port, "Anvil", "stop the program that holds it or choose another port (--rpc-port)"
        )
        self._scratch = tempfile.TemporaryDirectory(prefix="assay-anvil-")
        log = log or Path(self._scratch.name) / "anvil.log"
        command = [binary, "--port", str(self.port), "--host", "127.0.0.1"]
        # Anvil writes the whole state of old blocks, megabytes each, to the user's home and
        # leaves it there when killed.
        command += ["--cache-path", self._scratch.name]
        command += [
            "--hardfork",
            hardfork,
            "--chain-id",
            str(chain_id),
            "--mnemonic",
            MNEMONIC,
        ]
        if state is not None:
            command += ["--load-state", str(state)]
        if timestamp is not None:
            command += ["--timestamp", str(timestamp)]
        self.process = ManagedProcess("anvil", command, log)
        try:
            self.process.wait_until(self._answers, READY_SECONDS)
        except BaseException:
            self.stop()
            raise

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def rpc(self, method: str, *params: object) -> object:
        """One raw JSON-RPC call (`anvil_*`, `evm_*`); raises on an error answer."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        answer = requests.post(self.url, json=body, timeout=10).json()
        if "error" in answer:
            raise EnvironmentMissing(f"anvil refused {method}{params}: {answer['error']}")
        return answer["result"]

    def stop(self) -> None:
        self.process.stop()
        self._scratch.cleanup()

    def __enter__(self) -> Anvil:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _answers(self) -> bool:
        try:
            return isinstance(self.rpc("eth_chainId"), str)
        except (requests.RequestException, ValueError):
            return False
