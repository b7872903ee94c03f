"""The figures that every step of the economy's machine compares, at little cost.

`Beside.compare` asks for everything there is; that is for the end of a run.
"""

from __future__ import annotations

from tests.support.beside import Beside
from tests.support.quick_evm import View
from tests.support.reference.world import World


class Readings:
    """Views of the contracts beside the same figures of the model."""

    def __init__(self, beside: Beside) -> None:
        parts = beside.economy
        self.parts = parts.contracts
        self.accounts = {
            account: [
                View(parts.token.balanceOf, account),
                View(parts.usdc.balanceOf, account),
                View(parts.karat.balanceOf, account),
                View(parts.karat.staked_of, account),
                View(parts.staking.free_of, account),
                View(parts.staking.locked_of, account),
                View(parts.staking.claimable, account),
                View(parts.minter.position, account),
                View(parts.ledger.balance_of, account),
                View(parts.ledger.earnings_of, account),
                View(parts.ledger.available, account),
                View(parts.ledger.committed_of, account),
            ]
            for account in beside.names
        }
        self.totals = [
            View(parts.token.totalSupply),
            View(parts.karat.totalSupply),
            View(parts.karat.total_staked),
            View(parts.staking.total_stake),
            View(parts.staking.total_tickets),
            View(parts.emissions.staker_numerator),
            View(parts.emissions.minted_to_stakers),
            View(parts.emissions.minted_to_providers),
            View(parts.ledger.fees),
            View(parts.token.balanceOf, parts.staking.address),
            View(parts.usdc.balanceOf, parts.ledger.address),
            View(parts.usdc.balanceOf, parts.auction.address),
        ]

    def compare(self, world: World, accounts: set[str]) -> None:
        """The totals, and all about some accounts."""
        found = [word for view in self.totals for word in view.words()]
        assert found == self.model_totals(world), "totals"
        for account in accounts:
            found = [word for view in self.accounts[account] for word in view.words()]
            assert found == self.model_account(world, account), account

    def model_totals(self, world: World) -> list[int]:
        return [
            world.token.supply,
            world.karat.token.supply,
            world.karat.total_staked,
            world.staking.total,
            world.staking.tickets.total(),
            world.emissions.staker_numerator(),
            world.emissions.minted_to_stakers,
            world.emissions.minted_to_providers,
            world.ledger.fees,
            world.token.balance_of(world.staking.address),
            world.usdc.balance_of(world.ledger.address),
            world.usdc.balance_of(world.auction.address),
        ]

    def model_account(self, world: World, account: str) -> list[int]:
        position = world.minter.positions[account]
        return [
            world.token.balance_of(account),
            world.usdc.balance_of(account),
            world.karat.token.balance_of(account),
            world.karat.staked_of(account),
            world.staking.free_of(account),
            world.staking.locked_of(account),
            world.staking.claimable(account),
            position.minted,
            position.locked,
            world.ledger.balances[account],
            world.ledger.earnings[account],
            world.ledger.available(account),
            *world.ledger.committed_of(account),
        ]
