"""Every service as a process, over PostgreSQL and an Anvil that can be restarted from a state."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import openai

from assay.chain.anvil import Anvil
from assay.chain.games import Games
from assay.chain.network import Network
from assay.chain.sender import Sender
from assay.core.hashes import keccak
from assay.core.vouchers import day_of
from assay.core.wire import ClaimData
from assay.demo.parties import GAS_MONEY_WEI, make_party
from assay.engine.importer import SHIPPED_MODEL, import_checkpoint
from assay.trace.commitment import ModelCommitment
from tests.e2e.chaos import skew
from tests.e2e.chaos.load import PATIENCE_SECONDS, ask
from tests.integration.arena import FAST, Arena
from tests.integration.branch import Customer, bearer, new_customer
from tests.integration.services import Running, running, wait_for
from tests.support import postgres
from tests.support.bad_providers import BadProvider, Habit, bad_providers

MODEL = SHIPPED_MODEL.name
CLAIMS_BONDED = 2_000
GAMES_FUNDED = 200
"""Games of a fault or two may be open at once, and a false one costs its bond."""
CHANNEL_MICRO_USD = 2_000_000
CHANNEL_DAYS = 300
CHEAT_INDEX = 1
SETTLED_BLOCKS = 64
"""After the setting up, so that no reorganisation takes that back."""
SILENCE_SECONDS = 2.0
"""How long the gateway waits for a provider's next token."""
BATCH_SECONDS = 90.0


@dataclass(frozen=True)
class Databases:
    """URLs on the one server."""

    gateway: str
    index: str


@dataclass(frozen=True)
class Services:
    provider: Running
    cheat: Running
    challenger: Running
    gateway: Running
    keeper: Running
    indexer: Running


@dataclass
class Town:
    """What runs. `lies`: receipt ids of the cheating provider's answers that were waited for;
    `first_day`: the chain's day at the founding; `begun`: the node's first block of its own."""

    arena: Arena
    postgres: postgres.Server
    databases: Databases
    services: Services
    bad: dict[Habit, BadProvider]
    folder: Path
    customer: Customer
    key: str
    first_day: int
    skew: Path
    lies: list[str] = field(default_factory=list)
    false_games: list[bytes] = field(default_factory=list)
    begun: int = 0

    def client(self, patience: float = PATIENCE_SECONDS) -> openai.OpenAI:
        url = f"{self.services.gateway.url}/v1"
        return openai.OpenAI(base_url=url, api_key=self.key, max_retries=0, timeout=patience)

    def only(self, address: str) -> dict[str, Any]:
        """The common part of requests to one provider."""
        routing = {"provider": {"only": [address]}}
        return {"model": MODEL, "temperature": 0, "extra_body": routing}

    def honest(self) -> dict[str, Any]:
        return self.only(self.arena.address("honest provider"))

    def lie(self) -> None:
        """Have the cheating provider answer: its claim is to be challenged and convicted."""
        request = self.only(self.arena.address("cheating provider"))
        self.lies.append(self._answered(f"Lie {len(self.lies)}", request))

    def accuse(self) -> None:
        """Challenge a right claim of the honest provider, and never move again: it must win."""
        receipt_id = self._answered("True", self.honest())
        batch = wait_for(lambda: self.batch(receipt_id), BATCH_SECONDS, "the batch")
        place = f"{batch['batch_id']}/{batch['index']}"
        served = httpx.get(f"{self.services.provider.url}/v1/claims/{place}", timeout=60)
        served.raise_for_status()
        data, salt = ClaimData.parse(served.json()), keccak(b"accuser %d" % len(self.false_games))
        arguments = data.batch_id, data.index, data.receipt, data.proof, data.job
        games = Games(self.arena.networks["accuser"])
        self.false_games.append(games.open(*arguments, self.arena.header, 1, salt)[0])

    def batch(self, receipt_id: str) -> dict[str, Any] | None:
        """The batch of an answer, once the gateway has seen it on chain."""
        url = f"{self.services.gateway.url}/v1/receipts/{receipt_id}"
        try:
            answer = httpx.get(url, headers=bearer(self.key), timeout=10)
        except httpx.HTTPError:
            return None
        found: dict[str, Any] | None = answer.json()["batch"] if answer.is_success else None
        return found

    def _answered(self, prompt: str, request: dict[str, Any]) -> str:
        """Ask until there is an answer; its receipt id. What was refused may be claimed, too."""
        with self.client() as client:
            return wait_for(
                lambda: ask(client, False, prompt=prompt, max_tokens=3, **request).receipt_id,
                BATCH_SECONDS,
                f"an answer to {prompt!r}",
            )

    def restart(self, service: Running, clock_ahead: int = 0) -> None:
        """`clock_ahead`: by how many seconds its wall clock is wrong."""
        skew.set_clock(service, self.skew, clock_ahead)
        service.start()
        service.wait_ready()

    def state(self) -> Path:
        """The chain as it is now, in a file that Anvil begins from."""
        dumped = str(self.arena.anvil.rpc("anvil_dumpState"))
        path = self.folder / "state.json"
        path.write_bytes(gzip.decompress(bytes.fromhex(dumped.removeprefix("0x"))))
        return path

    def restart_anvil(self, state: Path) -> None:
        """Kill the node; another one at its address goes on from an earlier state.

        The chain's time goes on: a chain whose blocks were older than their parents is none.
        """
        old, now = self.arena.anvil, self.arena.network.now()
        os.kill(old.process.pid, 9)
        wait_for(lambda: True if not old.process.running() else None, 10, "the kill")
        old.stop()
        log = self.folder / "anvil-again.log"
        self.arena.anvil = Anvil(port=old.port, state=state, timestamp=now, log=log)
        self.begun = self.arena.network.head()

    def reorganise(self, blocks: int) -> None:
        """Replace the newest blocks by empty ones; their transactions are in no pool.

        Anvil knows no state of before it was restarted.
        """
        missing = blocks + 1 - (self.arena.network.head() - self.begun)
        if missing > 0:
            self.arena.anvil.rpc("anvil_mine", hex(missing))
        self.arena.anvil.rpc("anvil_reorg", blocks, [])


@contextmanager
def found_town(folder: Path) -> Iterator[Town]:
    """Start everything; end everything."""
    commitment = ModelCommitment(import_checkpoint(SHIPPED_MODEL))
    with ExitStack() as stack:
        server = stack.enter_context(postgres.running())
        databases = Databases(*(stack.enter_context(server.database()) for _ in range(2)))
        arena = Arena(Anvil(log=folder / "anvil.log"), commitment, folder)
        stack.callback(lambda: arena.anvil.stop())
        _fund(arena, folder)
        bad = stack.enter_context(bad_providers(arena, MODEL))
        start = Starter(arena, folder, databases)
        honest, cheat = stack.enter_context(running(start.provider, start.cheat))
        urls = [honest.url, cheat.url]
        others = [each.url for each in bad.values()]
        followers = stack.enter_context(
            running(
                partial(start.challenger, urls),
                partial(start.gateway, [*urls, *others]),
                partial(start.keeper, urls),
                start.indexer,
            )
        )
        services = Services(honest, cheat, *followers)
        customer = new_customer(arena, [services.gateway.url], CHANNEL_MICRO_USD)
        customer.open_channel(CHANNEL_MICRO_USD, days=CHANNEL_DAYS)
        arena.anvil.rpc("anvil_mine", hex(SETTLED_BLOCKS))
        key, day = customer.make_key()["key"], day_of(arena.network.now())
        library = skew.make_library(folder)
        yield Town(arena, server, databases, services, bad, folder, customer, key, day, library)


def _fund(arena: Arena, folder: Path) -> None:
    """Bonds for many claims and games; a keeper, and one who accuses the honest."""
    network = arena.network
    arena.add_bond("honest provider", CLAIMS_BONDED)
    arena.add_bond("cheating provider", CLAIMS_BONDED // 10)
    stake = GAMES_FUNDED * network.game.challenger_bond()
    for role in ("keeper", "accuser"):
        party = arena.parties[role] = make_party(folder, role)
        assert network.sender is not None
        network.sender.transfer(party.address, GAS_MONEY_WEI)
        sender = Sender(network.web3, party.account, FAST)
        arena.networks[role] = Network(network.web3, arena.deployment, sender)
    for role in ("challenger", "accuser"):
        network.bond_token.transfer(arena.address(role), stake)
    own = arena.networks["accuser"]
    own.bond_token.approve(own.game.address, stake)


@dataclass(frozen=True)
class Starter:
    """How each service is started, in a folder of its own."""

    arena: Arena
    folder: Path
    databases: Databases

    def provider(self) -> Running:
        limits = {"max_running": 4, "max_waiting": 8}
        return self._service("provider serve", "honest provider", batch_seconds=0.3, **limits)

    def cheat(self) -> Running:
        lie = {"kind": "tamper", "step": "layer.1.k", "delta": 1, "index": CHEAT_INDEX}
        given = {"batch_seconds": 0.3, "cheat": json.dumps(lie)}
        return self._service("provider serve", "cheating provider", **given)

    def challenger(self, urls: list[str]) -> Running:
        return self._service("challenger run", "challenger", provider_urls=",".join(urls))

    def gateway(self, urls: list[str]) -> Running:
        """For owners of keys, without limits but their money's; vouchers for every micro-dollar."""
        return self._service(
            "gateway serve",
            "consumer",
            provider_urls=",".join(urls),
            database_url=self.databases.gateway,
            first_token_seconds=SILENCE_SECONDS,
            token_seconds=SILENCE_SECONDS,
            access="keys",
            requests_per_minute=0,
            tokens_per_minute=0,
            address_requests_per_minute=0,
            collect_threshold=1,
            collect_seconds=0.5,
        )

    def keeper(self, urls: list[str]) -> Running:
        """Without grace: it is after the same claims and games as those who are concerned."""
        eager = {"grace_seconds": 0, "interval_seconds": 0.5, "jitter_seconds": 0.2}
        least = {"least_sweep_usd_micro": 1, "least_profit": 1}
        given = {"provider_urls": ",".join(urls), **eager, **least}
        return self._service("keeper run", "keeper", **given)

    def indexer(self) -> Running:
        return self._service("indexer run", "consumer", database_url=self.databases.index)

    def _service(self, command: str, role: str, **settings: object) -> Running:
        name = role.replace(" ", "-") if role.endswith("provider") else command.split()[0]
        place = self.folder / name
        place.mkdir()
        return Running(self.arena, place, command.split(), role, **settings)
