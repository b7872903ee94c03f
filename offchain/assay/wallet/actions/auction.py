"""The burn auction: what it offers now, starting one, and taking from it."""

from __future__ import annotations

from eth_abi.abi import decode

from assay.chain.rehearse import Call, rehearse
from assay.core.errors import InputError
from assay.wallet.account import Wallet, change, chosen
from assay.wallet.actions.dollars import usdc_of
from assay.wallet.actions.staking import GET_ASSAY, in_wallet
from assay.wallet.amounts import (
    ASSAY,
    ASSAY_PER_DOLLAR,
    USDC,
    Amount,
    is_everything,
    parse_amount,
)
from assay.wallet.plan import Change, Fact, Plan, Report

DOLLAR = 10**USDC.decimals


def auction(wallet: Wallet) -> Report:
    """The live auction, or what the next one waits for."""
    if wallet.network.auction.is_live():
        return Report(f"Auction {wallet.network.auction.auction_count()} is live", _live(wallet))
    return Report("No auction is live", _waiting(wallet))


def start(wallet: Wallet) -> Plan:
    """Bring the protocol's dollars to the auction and start it; anyone may."""
    network, facts = wallet.network, _waiting(wallet)
    _check_start(wallet)
    steps = []
    if network.ledger.fees():
        steps.append(wallet.step("send the fees on", network.ledger, "sweep_fees"))
    if network.ledger.fees() or network.usdc.balance_of(network.router.address):
        steps.append(wallet.step("send the dollars on", network.router, "route"))
    steps.append(wallet.step("start the auction", network.auction, "start"))
    return Plan(
        title=f"Start an auction of {Amount(_lot(wallet), USDC)}",
        steps=steps,
        facts=facts,
        tip="somebody may have started it first: look again (`auction`)",
    )


def take(
    wallet: Wallet, amount: str, max_price: str | None = None, recipient: str | None = None
) -> Plan:
    """Buy dollars of the live auction with ASSAY of this account, which is burned."""
    network = wallet.network
    units, price = _offered(wallet, amount), network.auction.price()
    _check_price(wallet, price, max_price)
    due, to = network.auction.quote(units), wallet.address(recipient, "recipient")
    held = network.assay.balance_of(wallet.account)
    chosen(Amount(due, ASSAY).exact, ASSAY, held, "ASSAY in the wallet", GET_ASSAY)
    return Plan(
        title=f"Take {Amount(units, USDC)} for at most {Amount(due, ASSAY)}",
        steps=[
            *wallet.approval(network.assay, ASSAY, network.auction, due),
            wallet.step("take and burn", network.auction, "take", units, due, to, b""),
        ],
        changes=[_paid(wallet, due), usdc_of(wallet, to, units), _left(wallet, -units)],
        facts=_live(wallet),
        warnings=["the ASSAY is burned; the price falls by the second, so it may be less"],
        tip=TAKE_TIP,
    )


def take_through_pool(wallet: Wallet, amount: str, min_profit: str | None = None) -> Plan:
    """Buy dollars with ASSAY that the Uniswap pool gives for them; keep what is left."""
    network = wallet.network
    if network.taker is None:
        raise InputError(
            "this network has no BurnTaker (no Uniswap router was named at its deployment); "
            "take with your own ASSAY, without --through-pool",
            code="no_taker",
        )
    units = _offered(wallet, amount)
    profit = _profit(wallet, Call(network.taker, "fill", (units, 0)))
    minimum = parse_amount(min_profit, ASSAY, "least profit") if min_profit else profit * 99 // 100
    if minimum > profit:
        raise InputError(
            f"the pool leaves {Amount(profit, ASSAY)} of profit now, less than the "
            f"{Amount(minimum, ASSAY)} asked for; wait until the price has fallen",
            code="too_little",
        )
    return Plan(
        title=f"Fill {Amount(units, USDC)} from the pool for {Amount(profit, ASSAY)} of profit",
        steps=[wallet.step("fill from the pool", network.taker, "fill", units, minimum)],
        changes=[in_wallet(wallet, profit, about=True), _left(wallet, -units)],
        facts={"least profit accepted": Amount(minimum, ASSAY)} | _live(wallet),
        tip=TAKE_TIP,
    )


TAKE_TIP = "somebody may have taken it first, or the pool has moved: look again (`auction`)"


def _live(wallet: Wallet) -> dict[str, Fact]:
    contract = wallet.network.auction
    now, rules = contract.auction(), contract.parameters()
    return {
        "price now": Amount(contract.price(), ASSAY_PER_DOLLAR),
        "price at the start": Amount(now.start_price, ASSAY_PER_DOLLAR),
        "floor": Amount(rules.floor_price, ASSAY_PER_DOLLAR),
        "left": Amount(now.left_usd_micro, USDC),
        "lot": Amount(now.lot_usd_micro, USDC),
        "ends": wallet.moment(now.started_at + rules.duration_seconds),
    }


def _waiting(wallet: Wallet) -> dict[str, Fact]:
    contract = wallet.network.auction
    rules = contract.parameters()
    return {
        "dollars waiting": Amount(_lot(wallet), USDC),
        "least lot": Amount(rules.min_lot_usd_micro, USDC),
        "may start": wallet.moment(max(contract.next_start(), wallet.now)),
        "first price": Amount(
            contract.last_price() * rules.start_multiple_bps // 10_000, ASSAY_PER_DOLLAR
        ),
        "floor": Amount(rules.floor_price, ASSAY_PER_DOLLAR),
    }


def _lot(wallet: Wallet) -> int:
    """What an auction started now would sell: its part of the dollars that come, up to the cap."""
    network = wallet.network
    on_the_way = network.usdc.balance_of(network.router.address) + network.ledger.fees()
    waiting = network.usdc.balance_of(network.auction.address)
    waiting += network.router.to_auction(on_the_way)
    return min(waiting, network.auction.parameters().cap_usd_micro)


def _check_start(wallet: Wallet) -> None:
    contract = wallet.network.auction
    if contract.is_live():
        raise InputError("an auction is live already; take from it (`take`)", code="nothing_to_do")
    if wallet.now < contract.next_start():
        raise InputError(
            f"the next auction may start {wallet.moment(contract.next_start())}; wait",
            code="too_soon",
        )
    least, lot = contract.parameters().min_lot_usd_micro, _lot(wallet)
    if lot < least:
        raise InputError(
            f"{Amount(lot, USDC)} are waiting, an auction starts with at least "
            f"{Amount(least, USDC)}; wait for more fees",
            code="too_little",
        )


def _offered(wallet: Wallet, amount: str) -> int:
    """Dollars asked for, at most what is left."""
    contract = wallet.network.auction
    if not contract.is_live():
        raise InputError(
            f"no auction is live; the next may start {wallet.moment(contract.next_start())} with "
            f"at least {Amount(contract.parameters().min_lot_usd_micro, USDC)} "
            f"({Amount(_lot(wallet), USDC)} are waiting): `start-auction`",
            code="no_auction",
        )
    left = contract.auction().left_usd_micro
    if is_everything(amount):
        return left
    return chosen(amount, USDC, left, "dollars left in the auction", "take less, or max")


def _check_price(wallet: Wallet, price: int, max_price: str | None) -> None:
    if max_price is None:
        return
    limit = parse_amount(max_price, ASSAY_PER_DOLLAR, "price limit")
    if price > limit:
        facts = _live(wallet)
        raise InputError(
            f"the price is {Amount(price, ASSAY_PER_DOLLAR)} now, above your limit of "
            f"{Amount(limit, ASSAY_PER_DOLLAR)}; it falls to {facts['floor']} until "
            f"{facts['ends']}: wait, or raise --max-price",
            code="slippage",
        )


def _profit(wallet: Wallet, fill: Call) -> int:
    """ASSAY that a fill would leave now."""
    tried = rehearse(wallet.network.web3, wallet.account, [fill])[0]
    if tried.error is not None:
        raise InputError(
            f"the pool cannot fill the auction now ({tried.error.reason}); it gives less ASSAY "
            "than is due: wait until the price has fallen, or take less",
            code="no_profit",
        )
    return int(decode(["uint256"], tried.output)[0]) if tried.output else 0


def _paid(wallet: Wallet, due: int) -> Change:
    return in_wallet(wallet, -due, about=True)


def _left(wallet: Wallet, difference: int) -> Change:
    contract = wallet.network.auction
    what = "dollars left in the auction"
    return change(what, USDC, lambda: contract.auction().left_usd_micro, difference)
