"""The typed clients against the real contracts: a holder's day, and one of governance."""

from __future__ import annotations

import pytest

from assay.chain.anvil import dev_account
from assay.chain.deployment import Deployment
from assay.chain.ledger import Channel
from assay.chain.network import Network
from assay.chain.parameters import CORNERS, DEMO, ZERO_ADDRESS
from assay.chain.staking import Corner, Curve, Position
from assay.chain.timelock import Operation, OperationState
from assay.chain.treasury import AuctionParameters
from assay.core.errors import ContractReverted, NodeUnavailable
from assay.core.signing import sign_voucher, voucher_signer
from assay.core.vouchers import DAY_SECONDS, Voucher, day_of, voucher_digest, voucher_typed_data
from tests.offchain.chain.economy import DAY, Deployed

ETHER = 10**18
DOLLAR = 10**6
STAKE = 1_000_000 * ETHER


@pytest.fixture
def holder(town: Deployed) -> Network:
    """Has claimed its part of the airdrop and staked some."""
    network = town.claim(1)
    network.assay.approve(network.staking.address, STAKE)
    network.staking.stake(STAKE)
    return network


def address(index: int) -> str:
    return str(dev_account(index).address)


def test_every_role_has_a_client(town: Deployed) -> None:
    deployment: Deployment = town.deployment
    clients = [c for c in vars(town.network).values() if hasattr(c, "deployed")]
    # Only the verifier asks for the arithmetic.
    assert {client.name for client in clients} == set(deployment.contracts) - {"StepArithmetic"}
    network = town.network
    assert network.bond_token is network.assay and network.payment_token is network.usdc
    assert network.taker is None


def test_what_was_at_a_block_and_a_block_that_the_node_does_not_have(
    town: Deployed, holder: Network
) -> None:
    """Of the latter nothing is known: that is no refusal of the contract's."""
    before = holder.head()
    signed = sign_voucher(
        dev_account(1),
        Voucher(address(1), address(2), day_of(holder.now()), 1),
        holder.chain_id,
        holder.ledger.address,
    )
    holder.assay.burn(7)
    supply = holder.assay.total_supply()
    assert holder.assay.read("totalSupply", block=before) == supply + 7
    with pytest.raises(NodeUnavailable, match=f"block {before + 9}"):
        holder.assay.read("totalSupply", block=before + 9)
    with pytest.raises(NodeUnavailable):
        holder.ledger.collectable(signed, before + 9)
    with pytest.raises(ContractReverted):
        holder.ledger.collectable(signed, before)


def test_tokens(town: Deployed, holder: Network) -> None:
    assay = holder.assay
    assert (assay.symbol(), assay.decimals()) == ("ASSAY", 18)
    assert (holder.karat.symbol(), holder.usdc.symbol()) == ("KARAT", "tUSD")
    assert assay.minter() == holder.emissions.address
    supply = assay.total_supply()
    assay.burn(7)
    assert assay.total_supply() == supply - 7
    assert holder.airdrop.claimed(address(1)) and not holder.airdrop.claimed(address(2))
    with pytest.raises(ContractReverted, match="before the deadline"):
        holder.airdrop.burn_unclaimed()


def test_permit(town: Deployed, holder: Network) -> None:
    """Signed by the holder, sent by somebody else."""
    deadline = holder.now() + 100
    document = holder.assay.permit_data(address(1), address(2), 5, deadline)
    signature = dev_account(1).sign_typed_data(full_message=document).signature
    town.as_account(2).assay.permit(address(1), address(2), 5, deadline, bytes(signature))
    assert holder.assay.allowance(address(1), address(2)) == 5
    assert holder.assay.permit_nonce(address(1)) == 1


def test_staking(town: Deployed, holder: Network) -> None:
    staking = holder.staking
    assert staking.stake_of(address(1)) == staking.total_stake() == STAKE
    assert staking.free_of(address(1)) == STAKE and staking.locked_of(address(1)) == 0
    assert staking.minter() == holder.minter.address
    town.pass_time(DAY)
    day = day_of(holder.now())
    assert staking.opening_stake(address(1), day) == (STAKE, STAKE)
    assert staking.claimable(address(1)) > 0
    staking.compound()
    staking.claim()
    staking.request_unstake(5)
    staking.cancel_ticket(0)
    staking.request_unstake(7)
    assert staking.ticket(address(1), 1)[0] == staking.total_tickets() == 7
    assert staking.ticket_count(address(1)) == 2
    town.pass_time(DEMO.stake_cooldown_seconds + 1)
    staking.withdraw(1)
    holder.assay.approve(staking.address, 3)
    staking.stake_for(address(2), 3)
    assert staking.stake_of(address(2)) == 3


def test_emissions(town: Deployed, holder: Network) -> None:
    emissions, now = holder.emissions, holder.now()
    assert emissions.stage_count() == len(DEMO.stage_rates)
    begin = emissions.stage(0).start
    assert emissions.scheduled(begin, begin + 10) == 10 * DEMO.stage_rates[0]
    assert emissions.daily_capacity(day_of(now)) == DEMO.daily_capacity_usd_micro
    assert emissions.stakers_bps(day_of(now)) == CORNERS[0].stakers_bps
    assert emissions.used_bps(day_of(now)) == emissions.work(day_of(now)) == 0
    assert emissions.work_of(address(1), day_of(now)) == 0
    assert emissions.work_reward(address(1), day_of(now) - 1) == 0
    assert emissions.pool(day_of(now)) >= 0
    emissions.checkpoint()
    assert emissions.staker_numerator() > 0
    emissions.reward_work(address(1), [day_of(now) - 1])
    assert (emissions.minted_to_stakers(), emissions.minted_to_providers()) == (0, 0)
    assert (emissions.staking(), emissions.ledger()) == (
        holder.staking.address,
        holder.ledger.address,
    )
    for write in (
        lambda: emissions.lower_rate(0, 1),
        lambda: emissions.set_daily_capacity(10**9),
        lambda: emissions.set_split([Corner(0, 9_000), Corner(10_000, 3_000)]),
    ):
        with pytest.raises(ContractReverted, match="owner"):
            write()
    assert emissions.owner() == holder.timelock.address


def test_karat_and_its_minter(town: Deployed, holder: Network) -> None:
    minter, karat = holder.minter, holder.karat
    locked = 100_000 * ETHER
    quote = minter.quote_mint(locked)
    minter.mint(locked, quote)
    assert minter.position(address(1)) == Position(quote, locked)
    assert karat.balance_of(address(1)) == quote
    assert minter.quote_lock(ETHER) >= minter.rate_at(quote)
    assert minter.quote_burn(address(1), quote) == locked
    minter.burn(ETHER)
    karat.stake(10 * ETHER)
    assert karat.staked_of(address(1)) == karat.total_staked() == 10 * ETHER
    karat.request_unstake(ETHER)
    karat.cancel_ticket(0)
    karat.request_unstake(ETHER)
    assert karat.ticket(address(1), 1)[0] == karat.total_tickets() == ETHER
    assert karat.ticket_count(address(1)) == 2
    town.pass_time(DEMO.karat_cooldown_seconds + 1)
    karat.withdraw(1)
    assert (karat.minter(), karat.ledger()) == (minter.address, holder.ledger.address)
    with pytest.raises(ContractReverted, match="owner"):
        minter.set_curve(Curve(90 * ETHER, 2 * ETHER, 38_000 * ETHER))
    assert minter.owner() == holder.timelock.address


def test_ledger(town: Deployed, holder: Network) -> None:
    """A channel with a session key; one voucher; then dollars out by notice."""
    ledger, chain_id = holder.ledger, holder.chain_id
    holder.minter.mint(100_000 * ETHER, 0)
    holder.karat.stake(100 * ETHER)
    town.network.usdc.mint(address(1), 30 * DOLLAR)
    holder.usdc.approve(ledger.address, 30 * DOLLAR)
    ledger.deposit(10 * DOLLAR)
    ledger.deposit_for(address(5), 5 * DOLLAR)
    expires = (day_of(holder.now()) + 30) * DAY - 1  # the last second of a day
    ledger.set_channel(address(2), 60 * DOLLAR, 5_000, address(3), expires, 15 * DOLLAR)
    wanted = Channel(60 * DOLLAR, 5_000, 15 * DOLLAR, address(3), expires)
    assert ledger.channel(address(1), address(2)) == wanted
    assert ledger.allowance_of(address(1)) == (100 * DOLLAR, 0)
    assert ledger.committed_of(address(1)) == (60 * DOLLAR, 5_000)

    today = day_of(holder.now())
    voucher = Voucher(address(1), address(2), today, 70 * DOLLAR)
    assert ledger.voucher_digest(voucher) == voucher_digest(voucher, chain_id, ledger.address)
    signed = sign_voucher(dev_account(3), voucher, chain_id, ledger.address)
    assert voucher_signer(signed, chain_id, ledger.address) == address(3)
    state = ledger.channel_state(address(1), address(2), today)
    assert (state.collected, state.left) == (0, 75 * DOLLAR)
    town.as_account(2).ledger.collect(signed)
    state = ledger.channel_state(address(1), address(2), today)
    assert (state.collected_credit, state.collected_usdc) == (60 * DOLLAR, 10 * DOLLAR)
    assert (state.collected, state.left, state.day) == (70 * DOLLAR, 5 * DOLLAR, today)
    assert ledger.credit_of(address(2), today) == 60 * DOLLAR
    assert ledger.balance_of(address(2)) == 10 * DOLLAR
    assert ledger.available(address(2)) == 70 * DOLLAR
    ledger.collect_many([signed])  # skipped: nothing is left to collect of it
    assert ledger.channel_state(address(1), address(2), today).collected == 70 * DOLLAR

    ledger.request_withdrawal(4 * DOLLAR)
    assert ledger.ticket(address(1), 0)[0] == 4 * DOLLAR and ledger.ticket_count(address(1)) == 1
    town.pass_time(DEMO.withdrawal_seconds + 1)
    ledger.withdraw(0, address(6))
    assert holder.usdc.balance_of(address(6)) == 4 * DOLLAR
    town.pass_time(33 * DAY)
    ledger.close_channel(address(1), address(2))
    assert ledger.balance_of(address(1)) == 11 * DOLLAR
    assert ledger.earnings_of(address(1)) == ledger.fees() == 0
    ledger.sweep_fees()
    assert (ledger.fee_bps(), ledger.owner()) == (DEMO.fee_bps, holder.timelock.address)


def test_treasury(town: Deployed, holder: Network) -> None:
    """A subscription's dollars are sold for ASSAY, which is burned."""
    router, auction = holder.router, holder.auction
    price = 10 * DOLLAR
    town.network.usdc.mint(auction.address, price)
    assert not auction.is_live() and auction.price() == 0
    assert auction.next_start() <= holder.now()
    auction.start()
    assert auction.is_live() and auction.auction_count() == 1
    lot = auction.auction()
    assert (lot.lot_usd_micro, lot.left_usd_micro, lot.burned) == (price, price, 0)
    assert lot.start_price == DEMO.auction.floor_price * DEMO.auction.start_multiple_bps // 10_000
    supply = holder.assay.total_supply()
    holder.assay.approve(auction.address, auction.quote(price))
    auction.take(price, auction.quote(price), address(4))
    assert holder.usdc.balance_of(address(4)) == price
    assert holder.assay.total_supply() == supply - auction.auction().burned
    assert auction.last_price() > 0
    assert auction.parameters() == AuctionParameters(**vars(DEMO.auction))
    router.route()
    assert router.plan_price(1) == router.subscribed_until(address(1), 1) == 0
    for write in (
        lambda: router.set_plan(1, 5 * DOLLAR),
        lambda: auction.set_parameters(DEMO.auction),
        lambda: holder.ledger.set_fee(1),
    ):
        with pytest.raises(ContractReverted, match="owner"):
            write()
    with pytest.raises(ContractReverted, match="plan is not sold"):
        router.subscribe(address(1), 1, 2)
    assert router.owner() == auction.owner() == holder.timelock.address


def test_governance(town: Deployed, holder: Network) -> None:
    """Propose, wait, execute; propose, cancel."""
    timelock, router = town.network.timelock, holder.router
    assert timelock.has_role("proposer", town.sender.address)
    assert timelock.has_role("executor", ZERO_ADDRESS)
    assert timelock.has_role("admin", timelock.address)
    assert timelock.minimum_delay() == DEMO.timelock_seconds
    data = router.contract.functions["set_plan"](1, 5 * DOLLAR)._encode_transaction_data()
    operation = Operation(router.address, bytes.fromhex(data[2:]), salt=b"\1" * 32)
    key = timelock.operation_id(operation)
    assert timelock.state(key) is OperationState.UNSET
    timelock.schedule(operation, DEMO.timelock_seconds)
    assert timelock.state(key) is OperationState.WAITING
    assert timelock.ready_at(key) > holder.now()
    town.pass_time(DEMO.timelock_seconds)
    assert timelock.state(key) is OperationState.READY
    holder.timelock.execute(operation)
    assert timelock.state(key) is OperationState.DONE
    assert router.plan_price(1) == 5 * DOLLAR
    with pytest.raises(ContractReverted, match="access"):
        holder.timelock.schedule(operation, DEMO.timelock_seconds)
    again = Operation(router.address, operation.payload, salt=b"\2" * 32)
    timelock.schedule(again, DEMO.timelock_seconds)
    timelock.cancel(timelock.operation_id(again))
    assert timelock.state(timelock.operation_id(again)) is OperationState.UNSET


def test_reference_price(town: Deployed, holder: Network) -> None:
    assert holder.models.reference_price(bytes(32)) == (0, 0)
    assert holder.models.owner() == holder.timelock.address
    with pytest.raises(ContractReverted, match="owner"):
        holder.models.set_reference_price(bytes(32), 1, 1)


def test_voucher_document_names_its_fields() -> None:
    voucher = Voucher(address(1), address(2), 3, 4)
    document = voucher_typed_data(voucher, 5, address(6))
    assert document["message"] == {
        "owner": address(1),
        "payee": address(2),
        "day": 3,
        "cumulative": 4,
    }
    assert document["domain"]["name"] == "Assay credit"
    assert DAY_SECONDS == DAY
