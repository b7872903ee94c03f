"""Our economy on a rig: deployed bare, linked, funded, ready to be measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from web3.contract import Contract

from assay.chain.parameters import STANDARD
from assay.core.signing import sign_voucher
from assay.core.vouchers import Voucher
from scripts.bench.rig import DAY, Rig

ETHER = 10**18
DOLLAR = 10**6
NOBODY = "0x" + 40 * "0"
INFINITE = 2**256 - 1

# Leaves providers a part on a quiet day, too, so that there is a reward of work to measure.
CORNERS = ((0, 9_000), (10_000, 3_000))


@dataclass(frozen=True)
class Economy:
    """Contracts by role, and the account that holds the genesis supply and owns everything."""

    rig: Rig
    treasury: str
    settlement: str
    token: Contract
    usdc: Contract
    emissions: Contract
    staking: Contract
    karat: Contract
    minter: Contract
    auction: Contract
    router: Contract
    ledger: Contract

    def contracts(self) -> dict[str, Contract]:
        return {name: part for name, part in vars(self).items() if isinstance(part, Contract)}

    def fund(self, name: str, assay: int = 0, dollars: int = 0) -> str:
        """An account with tokens, and infinite allowances where it will need them."""
        account = self.rig.account(name)
        if assay:
            self.rig.send(self.token, "transfer", account, assay, by=self.treasury)
            for spender in (self.staking, self.auction):
                self.rig.send(self.token, "approve", spender.address, INFINITE, by=account)
        if dollars:
            self.rig.send(self.usdc, "mint", account, dollars, by=self.rig.deployer)
            self.rig.send(self.usdc, "approve", self.ledger.address, INFINITE, by=account)
        return account

    def signed(
        self, signer: str, owner: str, payee: str, day: int, cumulative: int
    ) -> tuple[Any, ...]:
        """A voucher as `collect` takes it; `signer` names the key."""
        voucher = Voucher(owner, payee, day, cumulative)
        chain = self.rig.web3.eth.chain_id
        return sign_voucher(self.rig.key(signer), voucher, chain, self.ledger.address).abi()

    def karat_for(self, accounts: Sequence[str], each: int, by: str) -> None:
        """Send so much KARAT to each and stake it."""
        for account in accounts:
            self.rig.send(self.karat, "transfer", account, each, by=by)
            self.rig.send(self.karat, "stake", each, by=account)

    def channel(
        self, owner: str, payee: str, karat_micro: int, bps: int = 0, key: str = NOBODY
    ) -> int:
        """Open or change a channel for a year; returns the gas."""
        expiry = self.rig.now + 365 * DAY
        arguments = (payee, karat_micro, bps, key, expiry, 0)
        return self.rig.send(self.ledger, "set_channel", *arguments, by=owner).gas


def deploy(rig: Rig) -> Economy:
    """With the standard preset's parameters but for the split, owned by the treasury's account."""
    treasury = rig.account("treasury")
    first = rig.now
    stages = [
        (first + index * STANDARD.stage_seconds, rate)
        for index, rate in enumerate(STANDARD.stage_rates)
    ]
    token = rig.deploy("AssayToken", treasury, STANDARD.genesis_supply)
    usdc = rig.deploy("TestUSD")
    emissions = rig.deploy(
        "EmissionController",
        token.address,
        treasury,
        stages,
        CORNERS,
        STANDARD.daily_capacity_usd_micro,
    )
    staking = rig.deploy(
        "Staking", token.address, emissions.address, STANDARD.stake_cooldown_seconds
    )
    karat = rig.deploy("KaratToken", STANDARD.karat_cooldown_seconds)
    curve = STANDARD.curve
    minter = rig.deploy(
        "CreditMinter",
        staking.address,
        karat.address,
        treasury,
        (curve.base, curve.power, curve.target),
    )
    auction = rig.deploy(
        "BurnAuction", usdc.address, token.address, treasury, tuple(vars(STANDARD.auction).values())
    )
    router = rig.deploy("FeeRouter", usdc.address, auction.address, treasury)
    ledger = rig.deploy(
        "CreditLedger",
        *(part.address for part in (usdc, karat, staking, emissions, router)),
        treasury,
        STANDARD.fee_bps,
        STANDARD.withdrawal_seconds,
    )
    by = rig.deployer
    rig.send(token, "set_minter", emissions.address, by=by)
    rig.send(emissions, "set_links", staking.address, ledger.address, by=by)
    rig.send(staking, "set_minter", minter.address, by=by)
    rig.send(karat, "set_links", minter.address, ledger.address, by=by)
    # Any contract may stand for the settlement: its calls are made from its address.
    settlement = str(rig.deploy("TestUSD").address)
    rig.anvil.rpc("anvil_setBalance", settlement, hex(10**24))
    rig.send(ledger, "set_settlement", settlement, by=by)
    return Economy(
        rig,
        treasury,
        settlement,
        token,
        usdc,
        emissions,
        staking,
        karat,
        minter,
        auction,
        router,
        ledger,
    )
