"""Gateway replicas with keys and money over one PostgreSQL, beside a town's providers."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import openai
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_account.signers.local import LocalAccount

from assay.chain.network import Network
from assay.chain.sender import Sender
from tests.integration.arena import FAST, Arena
from tests.integration.services import Running, running
from tests.integration.town import MODEL, PROMPT, Town
from tests.support import postgres

REPLICAS = 3
CLAIMS = 200
"""Answers that the provider has bond for, besides the town's."""
ETHER = 10**18
PER_MINUTE = 20
"""Requests a minute of one key."""


@dataclass(frozen=True)
class Customer:
    """A wallet of its own, with dollars and gas; `gateways`: the replicas' URLs."""

    arena: Arena
    gateways: Sequence[str]
    account: LocalAccount

    @property
    def address(self) -> str:
        return str(self.account.address)

    @cached_property
    def network(self) -> Network:
        sender = Sender(self.arena.network.web3, self.account, FAST)
        return Network(self.arena.network.web3, self.arena.deployment, sender)

    def open_channel(self, micro_usd: int, delegated: bool = True, days: int = 10) -> None:
        """Dollars behind a channel to the gateway, which may sign its vouchers if delegated."""
        usdc, ledger = self.network.usdc, self.network.ledger
        usdc.approve(ledger.address, micro_usd)
        gateway = self.arena.address("consumer")
        key = gateway if delegated else "0x" + "00" * 20
        expires = self.network.now() + days * 86_400
        ledger.set_channel(gateway, 0, 0, key, expires, micro_usd)

    def signed_in(self) -> dict[str, str]:
        """Message and signature, good for one use."""
        url = f"{self.gateways[0]}/v1/auth/challenge"
        message = httpx.get(url, params={"address": self.address}, timeout=60).json()["message"]
        signed = self.account.sign_message(encode_defunct(text=message))
        return {"message": message, "signature": "0x" + bytes(signed.signature).hex()}

    def authorization(self) -> dict[str, str]:
        """The header that signs one request with the wallet."""
        document = json.dumps(self.signed_in()).encode()
        return {"Authorization": f"SIWE {b64encode(document).decode()}"}

    def make_key(self, **fields: Any) -> dict[str, Any]:
        answer = httpx.post(
            f"{self.gateways[0]}/v1/keys", json={**self.signed_in(), **fields}, timeout=60
        )
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def balance(self, replica: int = 0) -> dict[str, Any]:
        url = f"{self.gateways[replica]}/v1/billing/balance"
        answer = httpx.get(url, headers=self.authorization(), timeout=60)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@dataclass(frozen=True)
class Branch:
    """Replicas of one gateway."""

    town: Town
    replicas: list[Running]
    database_url: str
    clients: ExitStack

    @property
    def payee(self) -> str:
        return self.town.arena.address("consumer")

    def url(self, replica: int = 0) -> str:
        return self.replicas[replica].url

    def customer(self, micro_usd: int = 0) -> Customer:
        """A new wallet with ether, and dollars if told."""
        return new_customer(self.town.arena, [each.url for each in self.replicas], micro_usd)

    def client(self, key: str, replica: int = 0) -> openai.OpenAI:
        url = f"{self.url(replica)}/v1"
        client = openai.OpenAI(base_url=url, api_key=key, max_retries=0)
        return self.clients.enter_context(client)

    def ask(
        self, headers: dict[str, str], replica: int = 0, tokens: int = 2, **more: Any
    ) -> httpx.Response:
        body = {"model": MODEL, "prompt": PROMPT, "max_tokens": tokens, **self.town.honest()}
        url = f"{self.url(replica)}/v1/completions"
        return httpx.post(url, json={**body, **more}, headers=headers, timeout=60)


def new_customer(arena: Arena, gateways: Sequence[str], micro_usd: int) -> Customer:
    """A new wallet with ether, and dollars if told."""
    customer = Customer(arena, gateways, Account.create())
    assert arena.network.sender is not None
    arena.network.sender.transfer(customer.address, ETHER)
    if micro_usd:
        arena.network.usdc.mint(customer.address, micro_usd)
    return customer


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@contextmanager
def found_branch(town: Town, folder: Path) -> Iterator[Branch]:
    """Start the replicas; end them."""
    town.arena.add_bond("honest provider", CLAIMS)
    with ExitStack() as stack:
        server = stack.enter_context(postgres.running())
        url = stack.enter_context(server.database())

        def replica(number: int) -> Running:
            place = folder / f"replica-{number}"
            place.mkdir()
            return Running(
                town.arena,
                place,
                ["gateway", "serve"],
                "consumer",
                provider_urls=town.provider.url,
                access="keys",
                database_url=url,
                public_url="http://gateway.test",
                requests_per_minute=PER_MINUTE,
                address_requests_per_minute=0,
                collect_threshold=1,
                collect_seconds=0.5,
                job_seconds=600,
            )

        starts = [lambda number=number: replica(number) for number in range(REPLICAS)]
        yield Branch(town, stack.enter_context(running(*starts)), url, stack)
