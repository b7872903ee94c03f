"""Tokens, stakes, KARAT and the emission."""

from __future__ import annotations

from assay.indexer import schema
from assay.indexer.folds.base import ZERO_ADDRESS, Happening


def assay_moved(it: Happening) -> None:
    sender, receiver, amount = _transfer(it, "assay")
    if sender == ZERO_ADDRESS:
        _minted(it, amount)
    if receiver == ZERO_ADDRESS:
        it.totals["supply"] -= amount
        it.totals["burned"] += amount
        it.day["burned"] += amount
    it.carry()


def _minted(it: Happening, amount: int) -> None:
    it.totals["supply"] += amount
    it.totals["minted"] += amount
    it.day["minted"] += amount


def karat_moved(it: Happening) -> None:
    sender, receiver, amount = _transfer(it, "karat")
    if sender == ZERO_ADDRESS:
        it.totals["karat_supply"] += amount
    if receiver == ZERO_ADDRESS:
        it.totals["karat_supply"] -= amount
    _levels(it)


def _transfer(it: Happening, column: str) -> tuple[str, str, int]:
    """An ERC-20 `Transfer`, whatever its parameters are called."""
    sender, receiver, amount = it.event.args.values()
    if sender != ZERO_ADDRESS:
        it.account(sender)[column] -= amount
    if receiver != ZERO_ADDRESS:
        it.account(receiver)[column] += amount
    return sender, receiver, amount


def staked(it: Happening) -> None:
    _stake(it, it["amount"])


def unstake_requested(it: Happening) -> None:
    _stake(it, -it["amount"])


def stake_rewarded(it: Happening) -> None:
    it.account(it["account"])["stake_rewards"] += it["amount"]
    it.day["minted_to_stakers"] += it["amount"]
    if it["compounded"]:
        _stake(it, it["amount"])


def _stake(it: Happening, change: int) -> None:
    row = it.account(it["account"])
    row["stake_free"] += change
    row["staked"] += change
    it.totals["staked"] += change
    _levels(it)


def stake_locked(it: Happening) -> None:
    row = it.account(it["account"])
    row["stake_free"] -= it["amount"]
    row["stake_locked"] += it["amount"]


def stake_unlocked(it: Happening) -> None:
    row = it.account(it["account"])
    row["stake_locked"] -= it["amount"]
    row["stake_free"] += it["amount"]


def karat_staked(it: Happening) -> None:
    _stake_karat(it, it["amount"])


def karat_unstake_requested(it: Happening) -> None:
    _stake_karat(it, -it["amount"])


def _stake_karat(it: Happening, change: int) -> None:
    it.account(it["account"])["karat_staked"] += change
    it.totals["karat_staked"] += change
    _levels(it)


def karat_minted(it: Happening) -> None:
    it.account(it["account"])["karat_minted"] += it["minted"]
    _curve_point(it, "mint", it["minted"], it["locked"])


def karat_burned(it: Happening) -> None:
    it.account(it["account"])["karat_minted"] -= it["burned"]
    _curve_point(it, "burn", it["burned"], it["unlocked"])


def _curve_point(it: Happening, kind: str, karat: int, assay: int) -> None:
    event = it.event
    it.rows.add(
        schema.curve,
        event.block_number,
        event.log_index,
        timestamp=it.time,
        account=it["account"],
        kind=kind,
        karat=karat,
        assay=assay,
        supply=it["supply"],
    )


def day_rolled(it: Happening) -> None:
    row = it.day
    row["used_bps"], row["stakers_bps"] = it["used_bps"], it["stakers_bps"]


def work_recorded(it: Happening) -> None:
    it.day["work"] += it["amount_usd_micro"]


def work_rewarded(it: Happening) -> None:
    it.provider(it["provider"])["work_rewards"] += it["amount"]
    it.day["minted_to_providers"] += it["amount"]


def _levels(it: Happening) -> None:
    """The day's levels follow the totals."""
    it.day  # noqa: B018  # a day that begins has its row
    it.carry()


FOLDS = {
    ("AssayToken", "Transfer"): assay_moved,
    ("KaratToken", "Transfer"): karat_moved,
    ("Staking", "Staked"): staked,
    ("Staking", "UnstakeRequested"): unstake_requested,
    ("Staking", "TicketCancelled"): staked,
    ("Staking", "RewardClaimed"): stake_rewarded,
    ("Staking", "Locked"): stake_locked,
    ("Staking", "Unlocked"): stake_unlocked,
    ("KaratToken", "Staked"): karat_staked,
    ("KaratToken", "UnstakeRequested"): karat_unstake_requested,
    ("KaratToken", "TicketCancelled"): karat_staked,
    ("CreditMinter", "Minted"): karat_minted,
    ("CreditMinter", "Burned"): karat_burned,
    ("EmissionController", "DayRolled"): day_rolled,
    ("EmissionController", "WorkRecorded"): work_recorded,
    ("EmissionController", "WorkRewarded"): work_rewarded,
}
