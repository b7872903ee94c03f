"""The reference model beside the contracts: each call made on both, every answer compared.

    beside = Beside(deploy_economy(), actors)
    beside.stake(actor, amount)          both do it, or both refuse
    beside.compare()                     every figure that can be read, contract and model

What a stateful suite adds is the choice of calls. Amounts are as the contracts take them; actors
are accounts with keys, since vouchers are signed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import boa
from boa import BoaError
from eth_account.signers.local import LocalAccount

from assay.core.signing import sign_voucher
from assay.core.vouchers import SignedVoucher
from assay.core.vouchers import Voucher as WireVoucher
from tests.support import agreement
from tests.support import economy as deployed
from tests.support.economy import Economy
from tests.support.evm import deployer, now
from tests.support.reference.auction import Parameters
from tests.support.reference.base import Refused
from tests.support.reference.curve import Curve
from tests.support.reference.ledger import Voucher
from tests.support.reference.world import Settings, World

BIG = 2**256 - 1


@dataclass(frozen=True)
class Answer:
    """What a call gave: its value, or that it was refused and why."""

    value: Any = None
    refused: str | None = None


class Beside:
    """An economy, its model, and actors that hold keys.

    `last` is the contract's answer to the last call; `counts` how often each call was made and
    how often it was refused, so that a suite can see that it does not only test refusals.
    """

    def __init__(self, economy: Economy, actors: Sequence[LocalAccount]) -> None:
        self.economy = economy
        self.actors = list(actors)
        self.names = [actor.address for actor in self.actors]
        addresses = {name: part.address for name, part in economy.contracts.items()}
        addresses["treasury"] = economy.treasury
        self.world = World(settings(), addresses, now())
        # Any contract may stand for the settlement: its calls are made from its address.
        self.settlement = deployer("mocks/TestUSD")().address
        economy.ledger.set_settlement(self.settlement, sender=economy.deployer)
        for account in [*self.names, economy.treasury]:
            for token, spender in (
                ("token", "staking"),
                ("token", "auction"),
                ("usdc", "ledger"),
                ("usdc", "router"),
            ):
                spend = economy.contracts[spender].address
                economy.contracts[token].approve(spend, BIG, sender=account)
        self.counts: dict[str, list[int]] = {}
        self.last = Answer()

    # --- both sides --------------------------------------------------------------------

    def both(self, name: str, contract: Callable[[], Any], model: Callable[[], Any]) -> Answer:
        """Call both and compare: same value, or refused by both."""
        self.world.clock.now = now()
        expected = self._model(model)
        found = self._contract(contract)
        assert (found.refused is None) == (expected.refused is None), (
            f"{name}: contract {found}, model {expected}"
        )
        if found.refused is None and expected.value is not None:
            assert found.value == expected.value, f"{name}: {found.value} != {expected.value}"
        made = self.counts.setdefault(name, [0, 0])
        made[0] += 1
        made[1] += found.refused is not None
        self.last = found
        return found

    @staticmethod
    def _model(call: Callable[[], Any]) -> Answer:
        try:
            return Answer(call())
        except Refused as refusal:
            return Answer(refused=str(refusal))

    @staticmethod
    def _contract(call: Callable[[], Any]) -> Answer:
        try:
            return Answer(call())
        except BoaError as error:
            data = bytes(error.call_trace.output) if hasattr(error, "call_trace") else b""
            return Answer(refused=data[68:].rstrip(b"\0").decode(errors="replace") or "no reason")

    def travel(self, seconds: int) -> None:
        boa.env.time_travel(seconds=seconds)
        self.world.clock.now = now()

    # --- funding -----------------------------------------------------------------------

    def give(self, account: str, assay: int = 0, usd_micro: int = 0) -> None:
        """From the treasury and the dollars' mint; more than there is is refused by both."""
        economy, world = self.economy, self.world
        if assay:
            self.both(
                "transfer",
                lambda: economy.token.transfer(account, assay, sender=economy.treasury) and None,
                lambda: world.token.transfer(economy.treasury, account, assay),
            )
        if usd_micro:
            economy.usdc.mint(account, usd_micro, sender=economy.deployer)
            world.usdc.mint(account, usd_micro)

    # --- staking -----------------------------------------------------------------------

    def stake(self, payer: str, account: str, amount: int) -> Answer:
        return self.both(
            "stake",
            lambda: self.economy.staking.stake_for(account, amount, sender=payer),
            lambda: self.world.staking.stake(payer, account, amount),
        )

    def _staking(self, name: str, account: str, *arguments: int) -> Answer:
        return self.both(
            f"staking.{name}",
            lambda: getattr(self.economy.staking, name)(*arguments, sender=account),
            lambda: getattr(self.world.staking, name)(account, *arguments),
        )

    def request_unstake(self, account: str, amount: int) -> Answer:
        return self._staking("request_unstake", account, amount)

    def cancel_unstake(self, account: str, ticket_id: int) -> Answer:
        return self._staking("cancel_ticket", account, ticket_id)

    def withdraw_stake(self, account: str, ticket_id: int) -> Answer:
        return self._staking("withdraw", account, ticket_id)

    def claim(self, account: str) -> Answer:
        """And what was previewed is what is claimed."""
        preview = self.economy.staking.claimable(account)
        answer = self._staking("claim", account)
        assert answer.value == preview
        return answer

    def compound(self, account: str) -> Answer:
        return self._staking("compound", account)

    # --- KARAT -------------------------------------------------------------------------

    def mint_karat(self, account: str, locked: int, min_minted: int = 0) -> Answer:
        return self.both(
            "minter.mint",
            lambda: self.economy.minter.mint(locked, min_minted, sender=account),
            lambda: self.world.minter.mint(account, locked, min_minted),
        )

    def burn_karat(self, account: str, amount: int) -> Answer:
        return self.both(
            "minter.burn",
            lambda: self.economy.minter.burn(amount, sender=account),
            lambda: self.world.minter.burn(account, amount),
        )

    def transfer_karat(self, sender: str, to: str, amount: int) -> Answer:
        return self.both(
            "karat.transfer",
            lambda: self.economy.karat.transfer(to, amount, sender=sender) and None,
            lambda: self.world.karat.token.transfer(sender, to, amount),
        )

    def _karat(self, name: str, account: str, *arguments: int) -> Answer:
        return self.both(
            f"karat.{name}",
            lambda: getattr(self.economy.karat, name)(*arguments, sender=account),
            lambda: getattr(self.world.karat, name)(account, *arguments),
        )

    def stake_karat(self, account: str, amount: int) -> Answer:
        return self._karat("stake", account, amount)

    def unstake_karat(self, account: str, amount: int) -> Answer:
        return self._karat("request_unstake", account, amount)

    def cancel_karat(self, account: str, ticket_id: int) -> Answer:
        return self._karat("cancel_ticket", account, ticket_id)

    def withdraw_karat(self, account: str, ticket_id: int) -> Answer:
        return self._karat("withdraw", account, ticket_id)

    # --- ledger ------------------------------------------------------------------------

    def deposit(self, payer: str, account: str, amount: int) -> Answer:
        return self.both(
            "ledger.deposit",
            lambda: self.economy.ledger.deposit_for(account, amount, sender=payer),
            lambda: self.world.ledger.deposit(payer, account, amount),
        )

    def _ledger(self, name: str, account: str, *arguments: Any) -> Answer:
        return self.both(
            f"ledger.{name}",
            lambda: getattr(self.economy.ledger, name)(*arguments, sender=account),
            lambda: getattr(self.world.ledger, name)(account, *arguments),
        )

    def request_withdrawal(self, account: str, amount: int) -> Answer:
        return self._ledger("request_withdrawal", account, amount)

    def withdraw_dollars(self, account: str, ticket_id: int) -> Answer:
        return self._ledger("withdraw", account, ticket_id, account)

    def withdraw_earnings(self, account: str) -> Answer:
        return self._ledger("withdraw_earnings", account, account)

    def sweep_fees(self) -> Answer:
        return self.both(
            "ledger.sweep_fees", self.economy.ledger.sweep_fees, self.world.ledger.sweep_fees
        )

    def set_channel(
        self,
        owner: str,
        payee: str,
        karat_micro: int,
        capacity_bps: int,
        session_key: str | None,
        expires_at: int,
        added_deposit: int,
    ) -> Answer:
        key = session_key or "0x" + 40 * "0"
        return self.both(
            "ledger.set_channel",
            lambda: self.economy.ledger.set_channel(
                payee, karat_micro, capacity_bps, key, expires_at, added_deposit, sender=owner
            ),
            lambda: self.world.ledger.set_channel(
                owner, payee, karat_micro, capacity_bps, int(key, 16), expires_at, added_deposit
            ),
        )

    def close_channel(self, owner: str, payee: str) -> Answer:
        return self.both(
            "ledger.close_channel",
            lambda: self.economy.ledger.close_channel(owner, payee),
            lambda: self.world.ledger.close_channel(owner, payee),
        )

    def signed(
        self, owner: str, payee: str, day: int, cumulative: int, signer: LocalAccount | None
    ) -> tuple[tuple[Any, ...], Voucher]:
        """A voucher for the contract and for the model; unsigned with `signer` None."""
        wire = WireVoucher(owner, payee, day, cumulative)
        chain, ledger = boa.env.evm.patch.chain_id, self.economy.ledger.address
        by = signer.address if signer else None
        signed = sign_voucher(signer, wire, chain, ledger) if signer else SignedVoucher(wire, b"")
        return signed.abi(), Voucher(owner, payee, day, cumulative, by)

    def collect(self, caller: str, signed: tuple[tuple[Any, ...], Voucher]) -> Answer:
        wire, voucher = signed
        return self.both(
            "ledger.collect",
            lambda: self.economy.ledger.collect(wire, sender=caller),
            lambda: self.world.ledger.collect(caller, voucher),
        )

    def collect_many(
        self, caller: str, signed: Sequence[tuple[tuple[Any, ...], Voucher]]
    ) -> Answer:
        wires, vouchers = [wire for wire, _ in signed], [voucher for _, voucher in signed]
        return self.both(
            "ledger.collect_many",
            lambda: self.economy.ledger.collect_many(wires, sender=caller),
            lambda: self.world.ledger.collect_many(caller, vouchers),
        )

    def pay(
        self, consumer: str, provider: str, price: int, credit_cap: int, posted_at: int
    ) -> Answer:
        """As the settlement would."""
        arguments = (consumer, provider, price, credit_cap, posted_at)
        return self.both(
            "ledger.pay",
            lambda: self.economy.ledger.pay(bytes(32), *arguments, sender=self.settlement),
            lambda: sum(self.world.ledger.pay(*arguments)[:2]),
        )

    # --- emissions, auction, owner -----------------------------------------------------

    def reward_work(self, provider: str, days: Sequence[int]) -> Answer:
        return self.both(
            "emissions.reward_work",
            lambda: self.economy.emissions.reward_work(provider, list(days)),
            lambda: self.world.emissions.reward_work(provider, days),
        )

    def route(self) -> Answer:
        return self.both("router.route", self.economy.router.route, self.world.router.route)

    def start_auction(self) -> Answer:
        return self.both("auction.start", self.economy.auction.start, self.world.auction.start)

    def take(self, taker: str, usd_micro: int, max_assay: int) -> Answer:
        return self.both(
            "auction.take",
            lambda: self.economy.auction.take(usd_micro, max_assay, taker, b"", sender=taker),
            lambda: self.world.auction.take(taker, usd_micro, max_assay, taker),
        )

    def _owner(self, part: str, name: str, contract: Any, model: Any) -> Answer:
        economy = self.economy
        return self.both(
            f"{part}.{name}",
            lambda: getattr(economy.contracts[part], name)(*contract, sender=economy.owner),
            lambda: getattr(getattr(self.world, part), name)(*model),
        )

    def lower_rate(self, stage: int, rate: int) -> Answer:
        return self._owner("emissions", "lower_rate", (stage, rate), (stage, rate))

    def set_daily_capacity(self, usd_micro: int) -> Answer:
        return self._owner("emissions", "set_daily_capacity", (usd_micro,), (usd_micro,))

    def set_split(self, corners: Sequence[tuple[int, int]]) -> Answer:
        return self._owner("emissions", "set_split", (corners,), (corners,))

    def set_curve(self, curve: tuple[int, int, int]) -> Answer:
        return self._owner("minter", "set_curve", (curve,), (Curve(*curve),))

    def set_auction(self, parameters: tuple[int, int, int, int, int, int]) -> Answer:
        """Parameters within the contract's bounds."""
        model = (Parameters(*parameters),)
        return self._owner("auction", "set_parameters", (parameters,), model)

    def set_fee(self, fee_bps: int) -> Answer:
        return self._owner("ledger", "set_fee", (fee_bps,), (fee_bps,))

    def compare(self) -> None:
        """Every figure that both can be asked for, and the invariants of both."""
        self.world.clock.now = now()
        agreement.compare(self.economy, self.world, self.names)


def settings() -> Settings:
    """As `deploy_economy` deploys, in the block of now."""
    return Settings(
        genesis=deployed.GENESIS,
        stages=deployed.stages(),
        corners=deployed.CORNERS,
        capacity=deployed.CAPACITY,
        curve=deployed.CURVE,
        stake_cooldown=deployed.STAKE_COOLDOWN,
        karat_cooldown=deployed.KARAT_COOLDOWN,
        withdrawal_seconds=deployed.WITHDRAWAL_DELAY,
        fee_bps=deployed.FEE_BPS,
        auction=deployed.AUCTION,
    )
