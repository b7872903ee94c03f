"""The credit ledger: dollars, channels, vouchers, payments."""

from __future__ import annotations

from assay.indexer import schema
from assay.indexer.folds.base import Happening


def deposited(it: Happening) -> None:
    it.account(it["account"])["prepaid"] += it["amount"]


def withdrawn(it: Happening) -> None:
    it.account(it["account"])["prepaid"] -= it["amount"]


def earnings_withdrawn(it: Happening) -> None:
    it.account(it["provider"])["earnings"] -= it["amount"]


def channel_set(it: Happening) -> None:
    row = it.rows.get(schema.channels, it["owner"], it["payee"], **it.place)
    row |= dict(it["channel"]) | {"open": True}


def channel_closed(it: Happening) -> None:
    row = it.rows.get(schema.channels, it["owner"], it["payee"], **it.place)
    row["open"], row["deposit"] = False, 0
    it.account(it["owner"])["prepaid"] += it["returned"]


def collected(it: Happening) -> None:
    owner, payee, usdc = it["owner"], it["payee"], it["usdc"]
    row = it.rows.get(schema.vouchers, owner, payee, it["day"], **it.place)
    row["credit"] += it["credit"]
    row["usdc"] += usdc
    row["collections"] += 1
    if usdc:
        it.rows.get(schema.channels, owner, payee, **it.place)["deposit"] -= usdc
        it.account(payee)["prepaid"] += usdc


def paid(it: Happening) -> None:
    credit, usdc, fee = it["credit"], it["usdc"], it["fee"]
    amounts = {"credit": credit, "usdc": usdc, "fee": fee, "shortfall": it["shortfall"]}
    it.rows.payments[it.hex("job_id")] = amounts
    consumer, seller = it.account(it["consumer"]), it.account(it["provider"])
    consumer["prepaid"] -= usdc
    consumer["spent_credit"] += credit
    consumer["spent_usdc"] += usdc
    seller["earnings"] += usdc - fee
    provider = it.provider(it["provider"])
    provider["credit_earned"] += credit
    provider["usdc_earned"] += usdc - fee
    provider["fees_paid"] += fee
    for book in (it.totals, it.day):
        book["paid_credit"] += credit
        book["paid_usdc"] += usdc
    it.totals["fees_held"] += fee
    it.day["fees"] += fee


def fees_swept(it: Happening) -> None:
    it.totals["fees_held"] -= it["amount"]


FOLDS = {
    ("CreditLedger", "Deposited"): deposited,
    ("CreditLedger", "Withdrawn"): withdrawn,
    ("CreditLedger", "EarningsWithdrawn"): earnings_withdrawn,
    ("CreditLedger", "ChannelSet"): channel_set,
    ("CreditLedger", "ChannelClosed"): channel_closed,
    ("CreditLedger", "Collected"): collected,
    ("CreditLedger", "Paid"): paid,
    ("CreditLedger", "FeesSwept"): fees_swept,
}
