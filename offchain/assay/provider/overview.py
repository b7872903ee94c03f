"""How a provider stands at this moment: its process, its claims, its games, its money.

Read from outside, so it works whether the provider runs or not.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from assay.chain.game_view import read_game
from assay.chain.history import history
from assay.chain.network import Network
from assay.chain.node import node_errors, url_of
from assay.core.game import Phase
from assay.provider.view import View


@dataclass(frozen=True)
class Standing:
    """A provider's bond, in units of the bond token."""

    provider: str
    bonded: int
    locked: int
    free: int
    slash_per_claim: int
    claims_it_can_still_post: int | None
    batches_posted: int
    bond_token: str
    bond_decimals: int


@dataclass(frozen=True)
class Batch:
    """A batch on chain with claims that have not ended, what they cost (micro-USD) and lock, and
    the last second of its window."""

    batch_id: bytes
    claims: int
    price: int
    locks: int
    until: int


@dataclass(frozen=True)
class Game:
    """A game about a claim: whose clock runs (`turn`), and that side's last second."""

    game_id: bytes
    token_index: int
    phase: str
    turn: str
    deadline: int


@dataclass(frozen=True)
class Overview:
    """At `now`, Unix time.

    health        what the running provider says; None: none runs, or it does not answer
    claims        how many are pending, posted, final, dead
    next_deadline the provider's nearest one, of a move; windows are the challengers'
    balance_wei   ether of the account
    """

    now: int
    process: int | None
    leaving: bool
    health: dict[str, Any] | None
    standing: Standing
    claims: dict[str, int]
    batches: list[Batch]
    games: list[Game]
    earnings: int
    balance_wei: int

    @property
    def next_deadline(self) -> int | None:
        return min((game.deadline for game in self.games if game.turn == "provider"), default=None)

    @property
    def next_window(self) -> int | None:
        """End of the window that ends next."""
        return min((batch.until for batch in self.batches if batch.until >= self.now), default=None)


def overview(view: View) -> Overview:
    network, address = view.network, view.address
    held = standing(network, address)
    with node_errors(url_of(network.web3)):
        balance = int(network.web3.eth.get_balance(network.web3.to_checksum_address(address)))
    stages = Counter[str](claim.stage for claim in view.records.claims())
    return Overview(
        now=max(network.now(), int(time.time())),
        process=view.home.process(),
        leaving=view.home.leaving,
        health=view.health(),
        standing=held,
        claims={stage: stages[stage] for stage in ("pending", "posted", "final", "dead")},
        batches=_batches(view, held.slash_per_claim),
        games=_games(network, address),
        earnings=network.ledger.earnings_of(address),
        balance_wei=balance,
    )


def standing(network: Network, provider: str) -> Standing:
    """Of any provider."""
    registry, settlement = network.providers, network.settlement
    free, slash = registry.free(provider), settlement.slash_per_claim()
    return Standing(
        provider=provider,
        bonded=registry.bonded(provider),
        locked=registry.locked(provider),
        free=free,
        slash_per_claim=slash,
        claims_it_can_still_post=free // slash if slash else None,
        batches_posted=settlement.next_nonce(provider),
        bond_token=network.bond_token.symbol(),
        bond_decimals=network.bond_token.decimals(),
    )


def _batches(view: View, slash: int) -> list[Batch]:
    until = view.network.settlement.challenge_until
    return [
        Batch(each.batch_id, each.open, each.price, each.open * slash, until(each.batch_id))
        for each in view.records.open_batches()
        if each.posted
    ]


def _games(network: Network, provider: str) -> list[Game]:
    """Those that are not over, nearest deadline first."""
    opened = history(network.game, "GameOpened", network.deployment.block)
    over = {
        e.args["game_id"] for e in history(network.game, "GameResolved", network.deployment.block)
    }
    found = []
    for event in opened:
        game_id = bytes(event.args["game_id"])
        if event.args["provider"] != provider or event.args["game_id"] in over:
            continue
        state = read_game(network, game_id).state
        if state.phase is not Phase.RESOLVED and state.turn is not None:
            index = int(event.args["token_index"])
            found.append(
                Game(game_id, index, state.phase.name.lower(), state.turn.value, state.deadline)
            )
    return sorted(found, key=lambda game: game.deadline)
