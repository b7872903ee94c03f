"""Gas of the economy's contracts, beside what users would compare them with.

    scripts/bench/contracts [--out FILE] [--channels N] [--no-peers]

Prints one JSON document on stdout and tables on stderr. Gas is what Anvil charged under Prague's
rules, calldata and its floor included. Every operation is a transaction of its own, so slots are
cold, and every contract stands on the same Anvil and gets the same amounts at the same hours.
Peers come from npm (scripts/bench/npm_peers.py); ratios are ours over theirs.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from assay.chain.anvil import HARDFORK, Anvil
from assay.chain.artifacts import sources_hash
from scripts.bench import npm_peers, staking_sequence
from scripts.bench.conditions import machine, print_table, stderr, versions
from scripts.bench.economy_rig import DOLLAR, ETHER, INFINITE, NOBODY, Economy, deploy
from scripts.bench.rig import HOUR, Rig, Sent

CHANNELS = 200
LIMIT_PER_CHANNEL = 25_000
PROMISE = 10 * DOLLAR
SESSION = "session key"
CENT = DOLLAR // 100

Row = dict[str, Any]

WHY_STAKING = {
    "first stake": "a call more, to the emission controller, for the stakers' part until now",
    "repeat stake": "the account's first change of the day: its stake as the day began is kept,"
    " on which its capacity share rests; see the same-day row",
    "partial unstake": "no tokens move, a ticket with a clock of its own is written instead, and"
    " the day's opening; StakingRewards pays out at once and keeps neither",
    "claim": "rewards are minted, not sent from a pot that somebody has filled: supply and the"
    " controller's books are written, too",
    "full exit": "claim and request_unstake, two transactions, since rewards need not wait for the"
    " cooldown; exit() is one",
    "collect a ticket": "StakingRewards has no cooldown",
}
WHY_TOKEN = {"transferFrom, part of an allowance": "logs the new allowance, as EIP-20 allows"}


def main() -> None:
    options = _options()
    with Anvil(hardfork=HARDFORK) as anvil:
        rig = Rig(anvil)
        stderr.print("deploying …")
        economy = deploy(rig)
        peers = {} if options.no_peers else npm_peers.peers()
        stderr.print("staking …")
        staking = staking_rows(economy, peers)
        stderr.print("tokens …")
        tokens = token_rows(economy, peers)
        stderr.print("credit, auction …")
        own = [*karat_rows(economy), *credit_rows(economy), *auction_rows(economy)]
        stderr.print("vouchers …")
        vouchers = voucher_rows(economy, options.channels)
        document = {
            "what": "gas of the economy's contracts on Anvil, and of peers for the same work",
            "machine": machine(),
            "versions": versions(("vyper", "snekmate", "web3")),
            "rules": {"hardfork": HARDFORK},
            "contracts": sources_hash(),
            "peers": {
                "packages": npm_peers.packages(),
                "compilers": {name: peer.compiler for name, peer in peers.items()},
                "yearn stYFI": npm_peers.STYFI,
            },
            "code_bytes": {
                name: rig.code_bytes(contract) for name, contract in economy.contracts().items()
            },
            "staking": staking,
            "tokens": tokens,
            "own": own,
            "vouchers": vouchers,
            "vouchers_limit_per_channel": LIMIT_PER_CHANNEL,
        }
    _print_tables(document)
    text = json.dumps(document, indent=1)
    print(text)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text + "\n")


# --- beside peers --------------------------------------------------------------------------


def staking_rows(economy: Economy, peers: dict[str, npm_peers.Peer]) -> list[Row]:
    """One row an operation: ratios first."""
    rig = economy.rig
    systems = [staking_sequence.assay(rig, economy.token, economy.staking, economy.treasury)]
    if peers:
        peer_token = _peer_token(rig, peers)
        systems.append(staking_sequence.synthetix(rig, peers["StakingRewards"], peer_token))
        systems.append(staking_sequence.vault(rig, peers["PeerVault"], peer_token))
    found = {system.name: staking_sequence.measure(rig, system) for system in systems}
    rig.to_next_day(HOUR)
    first = rig.send(economy.emissions, "checkpoint", by=economy.treasury).gas
    rows = [_compared(operation, found) for operation in found["assay"]]
    note = "closes the day before and fixes the day's share; whoever comes first pays it"
    rows.append({"operation": "first call of a UTC day (checkpoint)", "assay": first, "why": note})
    return rows


def _compared(operation: str, found: dict[str, dict[str, int]]) -> Row:
    row: Row = {"operation": operation}
    ours = found["assay"][operation]
    for name in ("synthetix", "erc4626"):
        theirs = found.get(name, {}).get(operation)
        if theirs:
            row[f"ratio_to_{name}"] = round(ours / theirs, 2)
    row |= {name: gas[operation] for name, gas in found.items() if operation in gas}
    if row.get("ratio_to_synthetix", 2.0) > 1 and operation in WHY_STAKING:
        row["why"] = WHY_STAKING[operation]
    return row


def token_rows(economy: Economy, peers: dict[str, npm_peers.Peer]) -> list[Row]:
    """ERC-20 calls of AssayToken and of OpenZeppelin's ERC20 with permit."""
    rig = economy.rig
    ours = _token_gas(rig, economy.token, economy.treasury)
    theirs = _token_gas(rig, _peer_token(rig, peers), rig.deployer) if peers else {}
    rows = []
    for operation, gas in ours.items():
        row: Row = {"operation": operation}
        if operation in theirs:
            row["ratio_to_openzeppelin"] = round(gas / theirs[operation], 2)
        row["assay"] = gas
        if operation in theirs:
            row["openzeppelin"] = theirs[operation]
        if row.get("ratio_to_openzeppelin", 0) > 1 and operation in WHY_TOKEN:
            row["why"] = WHY_TOKEN[operation]
        rows.append(row)
    return rows


def _token_gas(rig: Rig, token: Any, holder: str) -> dict[str, int]:
    one, two = rig.account("token one"), rig.account("token two")

    def gas(function: str, *arguments: object, by: str = holder) -> int:
        return rig.send(token, function, *arguments, by=by).gas

    return {
        "transfer to a new holder": gas("transfer", one, 10 * ETHER),
        "transfer to a holder": gas("transfer", one, 10 * ETHER),
        "approve": gas("approve", two, 5 * ETHER, by=one),
        "transferFrom, part of an allowance": gas("transferFrom", one, holder, ETHER, by=two),
        "burn": gas("burn", ETHER, by=one),
    }


def _peer_token(rig: Rig, peers: dict[str, npm_peers.Peer]) -> Any:
    peer = peers["PeerToken"]
    return rig.create(peer.abi, peer.bytecode, 10**9 * ETHER)


# --- ours alone ----------------------------------------------------------------------------


def karat_rows(economy: Economy) -> list[Row]:
    """Minting from one bucket and over several, burning, staking."""
    rig = economy.rig
    whale = economy.fund("karat whale", assay=5_000_000 * ETHER)
    user = economy.fund("karat user", assay=1_000_000 * ETHER)
    for account, amount in ((whale, 4_000_000), (user, 900_000)):
        rig.send(economy.staking, "stake", amount * ETHER, by=account)
    rig.send(economy.minter, "mint", 60_000 * ETHER, 0, by=whale)
    rig.to_next_day(HOUR)
    rig.send(economy.emissions, "checkpoint", by=whale)

    def gas(contract: Any, function: str, *arguments: object) -> int:
        return rig.send(contract, function, *arguments, by=user).gas

    lock = [economy.minter.functions.quote_lock(n * ETHER).call() for n in (100, 5_000)]
    first = gas(economy.minter, "mint", lock[0], 0)
    again = gas(economy.minter, "mint", lock[0], 0)
    many = gas(economy.minter, "mint", lock[1], 0)
    rows = [
        ("KARAT: first mint, one bucket", first),
        ("KARAT: mint again, one bucket", again),
        ("KARAT: mint over ten buckets", many),
        ("KARAT: stake, first", gas(economy.karat, "stake", 100 * ETHER)),
        ("KARAT: stake again", gas(economy.karat, "stake", 100 * ETHER)),
        ("KARAT: request_unstake", gas(economy.karat, "request_unstake", 50 * ETHER)),
        ("KARAT: burn, unlock", gas(economy.minter, "burn", 100 * ETHER)),
    ]
    return [{"operation": name, "assay": value} for name, value in rows]


def credit_rows(economy: Economy) -> list[Row]:
    """Dollars, channels, one voucher, and what a finalised claim adds."""
    rig, ledger = economy.rig, economy.ledger
    user, gateway = rig.account("karat user"), rig.account("credit gateway")
    provider = rig.account("credit provider")
    economy.fund("karat user", dollars=10_000 * DOLLAR)
    economy.fund("credit gateway", dollars=10_000 * DOLLAR)
    rig.to_next_day(HOUR)
    rows: list[tuple[str, int]] = []

    def add(name: str, sent: Sent) -> None:
        rows.append((name, sent.gas))

    add("ledger: deposit, first", rig.send(ledger, "deposit", 100 * DOLLAR, by=gateway))
    add("ledger: deposit again", rig.send(ledger, "deposit", 100 * DOLLAR, by=gateway))
    rows.append(("ledger: open a channel", economy.channel(user, gateway, PROMISE, 5_000)))
    rows.append(("ledger: raise a promise", economy.channel(user, gateway, 2 * PROMISE, 5_000)))
    for name, amount in (("first of a day", 1), ("again", 2), ("KARAT and capacity", 25)):
        voucher = economy.signed("karat user", user, gateway, rig.today, amount * DOLLAR)
        add(
            f"ledger: collect one voucher, {name}", rig.send(ledger, "collect", voucher, by=gateway)
        )
    for name, price, cap in (("credit, first", 5, 5), ("credit", 5, 5), ("dollars", 5, 0)):
        paid = (bytes(32), gateway, provider, price * DOLLAR, cap * DOLLAR, rig.now)
        add(f"ledger: pay a claim in {name}", rig.send(ledger, "pay", *paid, by=economy.settlement))
    day = rig.today
    rig.to_next_day(HOUR)
    rig.send(economy.emissions, "checkpoint", by=user)
    add(
        "emissions: reward a day's work",
        rig.send(economy.emissions, "reward_work", provider, [day], by=provider),
    )
    add("ledger: withdraw earnings", rig.send(ledger, "withdraw_earnings", provider, by=provider))
    add("ledger: sweep fees", rig.send(ledger, "sweep_fees", by=provider))
    return [{"operation": name, "assay": value} for name, value in rows]


def auction_rows(economy: Economy) -> list[Row]:
    """Start, take a part, take the rest."""
    rig, auction = economy.rig, economy.auction
    taker = economy.fund("auction taker", assay=5_000_000 * ETHER)
    rig.send(economy.usdc, "mint", auction.address, 10_000 * DOLLAR, by=rig.deployer)
    rows = [("auction: start", rig.send(auction, "start", by=taker).gas)]
    rig.warp(HOUR)
    for name, dollars in (("a part", 1_000), ("the rest", 20_000)):
        arguments = (dollars * DOLLAR, INFINITE, taker, b"")
        rows.append((f"auction: take {name}", rig.send(auction, "take", *arguments, by=taker).gas))
    return [{"operation": name, "assay": value} for name, value in rows]


# --- vouchers in bulk ----------------------------------------------------------------------


class Bulk:
    """One gateway that collects of many channels, each owned by somebody else.

    Half of the owners sign themselves, the others' session key signs. The gateway's bucket of a
    day is empty before the first collection of a day and not before the second; the channels'
    words are never empty, for opening a channel writes them.
    """

    def __init__(self, economy: Economy, channels: int) -> None:
        self.economy, self.rig = economy, economy.rig
        self.gateway = economy.fund("bulk gateway")
        self.names = [f"owner {number}" for number in range(channels)]
        self.owners = [self.rig.account(name) for name in self.names]
        self.last: dict[int, tuple[int, int]] = {}  # day and cents of a channel's last voucher
        session = self.rig.account(SESSION)
        economy.karat_for(self.owners, ETHER, by=self.rig.account("karat whale"))
        for number, owner in enumerate(self.owners):
            key = session if self.by_key(number) else NOBODY
            economy.channel(owner, self.gateway, DOLLAR, 0, key)

    def by_key(self, number: int) -> bool:
        return number >= len(self.names) // 2

    def collect(self, name: str, numbers: Sequence[int], cents: int) -> Row:
        """Collect up to so many cents of today of each of these channels."""
        vouchers = [
            self.economy.signed(
                SESSION if self.by_key(number) else self.names[number],
                self.owners[number],
                self.gateway,
                self.rig.today,
                cents * CENT,
            )
            for number in numbers
        ]
        arguments = (self.economy.ledger, "collect_many", vouchers)
        # Skipped vouchers would be cheap: all of them must be good.
        due = self._credit() + sum(cents - self._collected(number) for number in numbers) * CENT
        sent = self.rig.send(*arguments, by=self.gateway)
        assert self._credit() == due, f"{name}: not all vouchers were collected"
        self.last |= dict.fromkeys(numbers, (self.rig.today, cents))
        return _per_channel(name, len(numbers), sent)

    def _credit(self) -> int:
        ledger = self.economy.ledger
        return int(ledger.functions.credit_of(self.gateway, self.rig.today).call())

    def _collected(self, number: int) -> int:
        """Cents of today."""
        day, cents = self.last.get(number, (0, 0))
        return cents if day == self.rig.today else 0


def voucher_rows(economy: Economy, channels: int) -> list[Row]:
    """All gas of a transaction over its channels: calldata, signatures, the gateway's bucket."""
    bulk = Bulk(economy, channels)
    every = range(channels)
    owners, keys = every[: channels // 2], every[channels // 2 :]
    economy.rig.to_next_day(HOUR)
    rows = [
        bulk.collect("first of the day", every, 10),
        bulk.collect("again", every, 20),
        bulk.collect("again, signed by owners", owners, 30),
        bulk.collect("again, signed by session key", keys, 30),
    ]
    for cents, count in ((40, 50), (50, 10), (60, 1)):
        rows.append(bulk.collect("again", owners[:count], cents))
    return [*rows, capacity_row(economy, bulk)]


def capacity_row(economy: Economy, bulk: Bulk) -> Row:
    """Channels of stakers that promise capacity and no KARAT: a call more for each."""
    for number, (name, owner) in enumerate(zip(bulk.names, bulk.owners, strict=True)):
        economy.fund(name, assay=1_000 * ETHER)
        economy.rig.send(economy.staking, "stake", 1_000 * ETHER, by=owner)
        key = economy.rig.account(SESSION) if bulk.by_key(number) else NOBODY
        economy.channel(owner, bulk.gateway, 0, 10_000, key)
    economy.rig.to_next_day(HOUR)
    everybody = range(len(bulk.owners))
    return bulk.collect("first of the day, capacity instead of KARAT", everybody, 1)


def _per_channel(name: str, channels: int, sent: Sent) -> Row:
    return {
        "operation": name,
        "channels": channels,
        "gas_per_channel": round(sent.gas / channels),
        "within_limit": sent.gas <= LIMIT_PER_CHANNEL * channels,
        "gas": sent.gas,
        "collected": sent.logs,
        **asdict(sent.calldata),
    }


# --- output --------------------------------------------------------------------------------


def _print_tables(document: dict[str, Any]) -> None:
    columns = ["operation", "ratio_to_synthetix", "ratio_to_erc4626", "assay", "synthetix"]
    print_table("staking", [*columns, "erc4626", "why"], document["staking"])
    columns = ["operation", "ratio_to_openzeppelin", "assay", "openzeppelin", "why"]
    print_table("tokens", columns, document["tokens"])
    print_table("ours alone", ["operation", "assay"], document["own"])
    columns = ["operation", "channels", "gas_per_channel", "gas", "collected"]
    print_table("vouchers in bulk", columns, document["vouchers"])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Gas of the economy's contracts.")
    parser.add_argument("--out", type=Path, help="write the JSON document here, too")
    parser.add_argument("--channels", type=int, default=CHANNELS, help="of the bulk collection")
    parser.add_argument("--no-peers", action="store_true", help="measure ours only; needs no npm")
    return parser.parse_args()


if __name__ == "__main__":
    main()
