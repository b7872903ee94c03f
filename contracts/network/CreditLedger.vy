# pragma version 0.4.3
# pragma nonreentrancy on
# pragma evm-version cancun
"""
@title Credit ledger: daily allowances, prepaid dollars, channels, and what claims are paid from
@license AGPL-3.0-only
@notice Per UTC day an account may spend a dollar for each KARAT it has staked, and its share of
        the network's published capacity. It promises parts of that to payees, such as a
        gateway, by channels, and puts dollars of a channel's own behind them. A payee collects
        with vouchers that count up, signed by the owner or by the channel's session key:
        credit goes to the payee's bucket of that day, dollars to its balance.
        The settlement pays finalised claims out of both: credit up to the model's reference
        price, from the buckets of the day on which the claim was posted and of the day before,
        then dollars, less the protocol's fee. Credit is no money: it moves no dollars, but is
        recorded as the provider's work, for which emission is minted. What is left of a bucket
        after its two days pays nothing, ever.
        All amounts are micro-USD, units of the payment token.

        What a consumer may count on: a provider is paid for finalised claims only. What a
        provider may count on: `available` leaves the balance by notice only, not by a channel
        either, whose dollars come from the owner's wallet. What a payee may count on: its
        promise of a day. A claim above what there is is paid as far as it goes; the rest is
        logged as a shortfall, and owed by nobody.
@custom:kill Nothing stops the ledger. The owner sets the fee, at most 20 %; the deployer names
             the settlement once.
"""

from snekmate.auth import ownable

from ..interfaces import ICreditLedger
from ..interfaces import IEmissionController
from ..interfaces import IPayment
from ..modules import allowances
from ..modules import channels
from ..modules import one_shot
from ..modules import prepaid
from ..modules import vouchers

implements: ICreditLedger
implements: IPayment
initializes: ownable
initializes: one_shot
initializes: allowances
initializes: vouchers
initializes: prepaid
initializes: channels[allowances := allowances, vouchers := vouchers]

# Owner: the protocol's fee, nothing else.
exports: (ownable.owner, ownable.transfer_ownership, ownable.renounce_ownership)
exports: vouchers.eip712_domain_separator.eip712Domain
exports: (allowances.karat, allowances.staking, allowances.emissions)
exports: (prepaid.deposit, prepaid.deposit_for)
exports: (prepaid.request_withdrawal, prepaid.withdraw, prepaid.withdraw_earnings)
exports: prepaid.sweep_fees
exports: (prepaid.balance_of, prepaid.earnings_of, prepaid.fees, prepaid.fee_bps)
exports: (prepaid.ticket, prepaid.ticket_count, prepaid.withdrawal_seconds)
exports: (prepaid.payment_token, prepaid.router)


# ------------------------------------------------------------------
#                             CONSTANTS
# ------------------------------------------------------------------

DAY: constant(uint256) = 86_400
BPS: constant(uint256) = 10_000


# ------------------------------------------------------------------
#                              STORAGE
# ------------------------------------------------------------------

# By account and UTC day.
credit_of: public(HashMap[address, HashMap[uint256, uint256]])


# ------------------------------------------------------------------
#                            CONSTRUCTOR
# ------------------------------------------------------------------


@deploy
def __init__(
    payment_token_: address,
    karat_: address,
    staking_: address,
    emissions_: address,
    router_: address,
    owner_: address,
    fee_bps_: uint256,
    withdrawal_seconds_: uint256,
):
    """
    @param payment_token_ An ERC-20 of 6 decimals without a fee on transfer: USDC.
    @param karat_ KaratToken: what an account has staked.
    @param staking_ Staking: shares of the stake as a day began.
    @param emissions_ EmissionController: published capacity; work is recorded there.
    @param router_ FeeRouter: where fees go.
    @param owner_ Who sets the fee.
    @param fee_bps_ The protocol's part of dollars paid, at most 2,000 bps.
    @param withdrawal_seconds_ Delay of a ticket, at most a year; the settlement checks that
           it outlasts window and longest game.
    """
    assert owner_ != empty(address), "credit_ledger: no owner"
    ownable.__init__()
    ownable._transfer_ownership(owner_)
    one_shot.__init__()
    allowances.__init__(karat_, staking_, emissions_)
    vouchers.__init__()
    prepaid.__init__(payment_token_, router_, fee_bps_, withdrawal_seconds_)


@external
def set_settlement(settlement: address):
    """
    @notice Deployer, once: name the settlement that pays.
    """
    one_shot._set(settlement)
    log ICreditLedger.SettlementSet(settlement=settlement)


@external
def set_fee(fee_bps: uint256):
    """
    @notice Owner: at most 2,000 bps.
    """
    ownable._check_owner()
    prepaid._set_fee(fee_bps)


# ------------------------------------------------------------------
#                             CHANNELS
# ------------------------------------------------------------------


@external
def set_channel(
    payee: address,
    karat_micro: uint256,
    capacity_bps: uint256,
    session_key: address,
    expires_at: uint256,
    added_deposit: uint256,
):
    """
    @notice Open a channel of the caller's to a payee, or change it. A promise that rises counts
            at once, one that falls from the next UTC day on, and so does another session key
            (a first one at once). An expiry counts to the end of its day, and comes no
            nearer than the end of tomorrow. `added_deposit` dollars move in from the caller's
            tokens (approve them first); they come out by vouchers, or when the channel closes.
            Nothing that a payee has been promised can be taken back under its hands.
    @dev Not from the caller's balance: that leaves by notice only, or a consumer could empty it
         under the hands of providers that have served already.
    """
    terms: ICreditLedger.Channel = ICreditLedger.Channel(
        karat_micro=karat_micro,
        capacity_bps=capacity_bps,
        deposit=added_deposit,
        session_key=session_key,
        expires_at=expires_at,
    )
    channel: ICreditLedger.Channel = channels._set(msg.sender, payee, terms)
    if added_deposit > 0:
        prepaid._receive(added_deposit)
    log ICreditLedger.ChannelSet(owner=msg.sender, payee=payee, channel=channel)


@external
def close_channel(owner: address, payee: address) -> uint256:
    """
    @notice Anyone, once a channel has expired and its last day can no longer be collected: its
            dollars go back to the owner's balance, its promises end.
    @return The dollars.
    """
    returned: uint256 = channels._close(owner, payee)
    prepaid.balance_of[owner] += returned
    log ICreditLedger.ChannelClosed(owner=owner, payee=payee, returned=returned)
    return returned


@external
def collect(signed: ICreditLedger.SignedVoucher) -> uint256:
    """
    @notice Anyone: collect a voucher for its payee, today's or yesterday's. KARAT's part first,
            then capacity's, then the channel's dollars, as far as they go. An owner that is
            itself the payee and the caller signs nothing.
    @return What the payee was credited.
    """
    payee: address = signed.voucher.payee
    fault: uint256 = 0
    credit: uint256 = 0
    usdc: uint256 = 0
    fault, credit, usdc = channels._collect(signed, payee, allowances._today())
    assert fault == channels.NO_FAULT, channels._reason(fault)
    self.credit_of[payee][signed.voucher.day] += credit
    prepaid.balance_of[payee] += usdc
    return credit + usdc


@external
def collect_many(signed: DynArray[ICreditLedger.SignedVoucher, 256]) -> uint256:
    """
    @notice As `collect`, all for one payee; a voucher that cannot be collected is skipped.
    @return What the payee was credited in all.
    """
    if len(signed) == 0:
        return 0
    payee: address = signed[0].voucher.payee
    today: uint256 = allowances._today()
    # Yesterday's and today's: written once.
    credits: uint256[2] = [0, 0]
    dollars: uint256 = 0
    for one: ICreditLedger.SignedVoucher in signed:
        fault: uint256 = 0
        credit: uint256 = 0
        usdc: uint256 = 0
        fault, credit, usdc = channels._collect(one, payee, today)
        if fault != channels.NO_FAULT:
            self._log_skipped(one.voucher, fault, today)
            continue
        credits[one.voucher.day + 1 - today] += credit
        dollars += usdc
    for index: uint256 in range(2):
        if credits[index] > 0:
            self.credit_of[payee][today + index - 1] += credits[index]
    if dollars > 0:
        prepaid.balance_of[payee] += dollars
    return credits[0] + credits[1] + dollars


# ------------------------------------------------------------------
#                             SETTLEMENT
# ------------------------------------------------------------------


@external
def pay(
    job_id: bytes32,
    consumer: address,
    provider: address,
    price: uint256,
    credit_cap: uint256,
    posted_at: uint256,
) -> uint256:
    """
    @notice Settlement only: pay a finalised claim, as far as there are funds.
    @return What was paid, in micro-USD.
    """
    assert msg.sender == one_shot.target, "credit_ledger: caller is not the settlement"
    credit: uint256 = self._spend_credit(consumer, min(price, credit_cap), posted_at // DAY)
    usdc: uint256 = 0
    fee: uint256 = 0
    usdc, fee = prepaid._pay(consumer, provider, price - credit)
    if credit > 0:
        extcall IEmissionController(allowances.emissions).record_work(provider, credit)
    log ICreditLedger.Paid(
        job_id=job_id,
        consumer=consumer,
        provider=provider,
        credit=credit,
        usdc=usdc,
        fee=fee,
        shortfall=price - credit - usdc,
    )
    return credit + usdc


# ------------------------------------------------------------------
#                               VIEWS
# ------------------------------------------------------------------


@view
@external
def available(account: address) -> uint256:
    """
    @notice What a provider may count on for a claim that it posts today: dollars under no
            notice, and credit collected for today or yesterday.
    """
    today: uint256 = allowances._today()
    credit: uint256 = self.credit_of[account][today - 1] + self.credit_of[account][today]
    return prepaid._available(account) + credit


@view
@external
def allowance_of(account: address) -> (uint256, uint256):
    """
    @notice Today's whole allowance: from staked KARAT, and from the capacity share.
    """
    today: uint256 = allowances._today()
    capacity: uint256 = allowances._of_capacity(
        account, today, BPS, allowances._published(today)
    )
    return allowances._of_karat(account), capacity


@view
@external
def committed_of(account: address) -> (uint256, uint256):
    """
    @notice Micro-USD of KARAT and bps of capacity that channels claim today.
    """
    return channels._committed(account)


@view
@external
def channel(owner: address, payee: address) -> ICreditLedger.Channel:
    """
    @notice As set: in force from tomorrow where it fell.
    """
    return channels._channel(channels._id(owner, payee))


@view
@external
def channel_state(
    owner: address, payee: address, day: uint256
) -> ICreditLedger.ChannelState:
    """
    @notice For today or yesterday.
    """
    today: uint256 = allowances._today()
    assert day == today or day == today - 1, "credit_ledger: day is not kept"
    return channels._state(owner, payee, day)


@view
@external
def voucher_digest(voucher: ICreditLedger.Voucher) -> bytes32:
    """
    @notice What is signed (EIP-712).
    """
    return vouchers._digest(voucher)


@view
@external
def settlement() -> address:
    return one_shot.target


# ------------------------------------------------------------------
#                              INTERNAL
# ------------------------------------------------------------------


@internal
def _spend_credit(account: address, amount: uint256, day: uint256) -> uint256:
    """
    @notice Spend credit of the day before and of the day, the older first.
    @return What there was, at most `amount`.
    """
    spent: uint256 = 0
    for bucket: uint256 in [day - 1, day]:
        part: uint256 = min(amount - spent, self.credit_of[account][bucket])
        if part > 0:
            self.credit_of[account][bucket] -= part
            spent += part
    return spent


@internal
def _log_skipped(voucher: ICreditLedger.Voucher, fault: uint256, today: uint256):
    """
    @notice Say why, and from which state the next voucher can be made.
    """
    day: uint256 = today
    if voucher.day == today - 1:
        day = voucher.day
    log ICreditLedger.VoucherSkipped(
        owner=voucher.owner,
        payee=voucher.payee,
        reason=channels._reason(fault),
        state=channels._state(voucher.owner, voucher.payee, day),
    )
