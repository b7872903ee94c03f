"""Sets the scene: chain, contracts, model, accounts, services; all real, all on this machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from assay.chain.anvil import Anvil, dev_account, free_port, require_free_port
from assay.chain.deploy import deploy, local_setup
from assay.chain.network import Network
from assay.chain.node import connect
from assay.chain.parameters import DEMO
from assay.chain.sender import Sender
from assay.demo.consumer import healthy, offered_providers
from assay.demo.parties import PROVIDERS, Party, fund, make_parties
from assay.demo.stage import Stage
from assay.engine.importer import SHIPPED_MODEL, import_checkpoint
from assay.trace.commitment import ModelCommitment

BLOCK_SECONDS = 1
READY_SECONDS = 90.0
CHEAT = {"kind": "tamper", "step": "layer.2.gate", "row": -1, "column": 77, "delta": 1, "index": 0}
"""The lie: the first output token is another one, over a trace whose only error is one unit in
one element, so that only a recomputation of that element can tell. The first token, because every
answer has one."""


@dataclass(frozen=True)
class Options:
    """What the command line decides. Port 0: any free one."""

    prompt: str
    model_path: Path = SHIPPED_MODEL
    max_tokens: int = 48
    rpc_port: int = 8545
    port: int = 8100


@dataclass(frozen=True)
class Ports:
    """Where everything listens."""

    rpc: int
    gateway: int
    provider: int
    cheating_provider: int


@dataclass(frozen=True)
class Scene:
    """Everything is running."""

    anvil: Anvil
    network: Network
    commitment: ModelCommitment
    parties: dict[str, Party]
    ports: Ports

    @property
    def gateway_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.gateway}"

    def urls(self) -> dict[str, str]:
        return {
            "gateway": self.gateway_url,
            "provider": f"http://127.0.0.1:{self.ports.provider}",
            "cheating provider": f"http://127.0.0.1:{self.ports.cheating_provider}",
            "node": self.anvil.url,
        }


Working = Callable[[str], AbstractContextManager[None]]


def choose_ports(options: Options) -> Ports:
    """Fixed ports, checked before anything starts; 0 stands for free ones."""
    services = (
        [options.port + i for i in range(3)] if options.port else [free_port() for _ in "123"]
    )
    ports = Ports(options.rpc_port or free_port(), *services)
    require_free_port(ports.rpc, "Anvil", _remedy("--rpc-port"))
    for port in services:
        require_free_port(port, "a service of the demonstration", _remedy("--port"))
    return ports


def set_scene(stage: Stage, options: Options, working: Working) -> Scene:
    """Start everything; returns when the gateway offers both providers."""
    ports = choose_ports(options)
    with working("starting Anvil, deploying the contracts"):
        anvil = stage.start_anvil(ports.rpc)
        web3 = connect(anvil.url)
        sender = Sender(web3, dev_account())
        setup = local_setup(DEMO, sender.address)
        place = stage.folder / "deployment"
        deployment = deploy(web3, sender, DEMO, setup, "demo", place)
        network = Network(web3, deployment, sender)
    with working("reading the model, committing to its weights and program"):
        commitment = ModelCommitment(import_checkpoint(options.model_path))
        network.models.register(commitment.header)
    with working("making accounts, bonding providers, depositing dollars"):
        parties = make_parties(stage.folder)
        fund(network, parties, setup.airdrop)
        # Up to here a block for each transaction; from here the pace of a live chain.
        anvil.rpc("evm_setAutomine", False)
        anvil.rpc("evm_setIntervalMining", BLOCK_SECONDS)
    scene = Scene(anvil, network, commitment, parties, ports)
    with working("starting two providers, a challenger and the gateway"):
        _start_services(stage, options, scene)
    return scene


def _start_services(stage: Stage, options: Options, scene: Scene) -> None:
    urls = scene.urls()
    provider_urls = f"{urls['provider']},{urls['cheating provider']}"
    common = {
        "rpc_url": scene.anvil.url,
        "deployment": stage.folder / "deployment",
        "model_path": options.model_path,
        "threads": 1,
        "poll_seconds": 0.5,
        "log_format": "json",
        "reorg_depth": 4,
    }

    def start(name: str, role: str, arguments: list[str], **settings: object) -> None:
        own = scene.parties[role].settings()
        data = stage.folder / name
        stage.start(name, arguments, {**common, **own, "data_dir": data, **settings})

    serve = ["provider", "serve"]
    ports = scene.ports
    start("provider", "honest provider", serve, port=ports.provider, batch_seconds=1)
    start(
        "cheating-provider",
        "cheating provider",
        serve,
        port=ports.cheating_provider,
        batch_seconds=1,
        cheat=json.dumps(CHEAT),
    )
    start("challenger", "challenger", ["challenger", "run"], port=0, provider_urls=provider_urls)
    start(
        "gateway",
        "consumer",
        ["gateway", "serve"],
        port=ports.gateway,
        provider_urls=provider_urls,
    )
    for name in ("provider", "cheating provider", "gateway"):
        stage.wait_for(f"the {name}", _answers(urls[name]), READY_SECONDS)
    stage.wait_for("the challenger", _logged(stage, "challenger"), READY_SECONDS)
    providers = {scene.parties[role].address for role in PROVIDERS}
    stage.wait_for(
        "the gateway to offer both providers", _offers(urls["gateway"], providers), READY_SECONDS
    )


def _answers(url: str) -> Callable[[], bool | None]:
    return lambda: True if healthy(url) else None


def _offers(gateway_url: str, providers: set[str]) -> Callable[[], bool | None]:
    return lambda: True if offered_providers(gateway_url) >= providers else None


def _logged(stage: Stage, name: str) -> Callable[[], bool | None]:
    """Whether a service without an HTTP interface has logged that it is ready."""

    def ready() -> bool | None:
        whole = stage.log(name).split("\n")[:-1]
        events = (line for line in whole if line.startswith("{"))
        return True if any(json.loads(line).get("event") == "ready" for line in events) else None

    return ready


def _remedy(option: str) -> str:
    return f"stop what uses it, or choose another with {option} (0: any free one)"
