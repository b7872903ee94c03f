# pragma version 0.4.3
# pragma nonreentrancy on
# pragma evm-version cancun
"""
@title KARAT, the credit token
@license AGPL-3.0-only
@notice ERC-20 with permit (EIP-2612). The credit minter mints it against locked ASSAY and
        burns it to unlock; nobody else does either, so the supply is the sum of what wallets
        minted and have not burned.
        A staked KARAT spends one dollar of inference per UTC day; the credit ledger reads
        `staked_of`. It leaves by ticket: it stops counting at once and is paid out after the
        cooldown. What is promised to channels cannot leave.
@dev No KARAT spends twice on one UTC day. What leaves at second t is paid out at
     t + 86,400 or later, on another UTC day; only then can another account stake it. The
     account that it left cannot use it meanwhile: the ledger keeps every promise of a day
     within the stake of that day, and a promise made today lasts until midnight.
@custom:kill Nothing stops transfers, staking or withdrawals: the token has no owner and no
             pause. The deployer names minter and ledger once.
"""

from snekmate.auth import ownable
from snekmate.tokens import erc20

from ..interfaces import ICreditLedger
from ..interfaces import IKaratToken
from ..modules import one_shot
from ..modules import tickets

implements: IKaratToken
initializes: ownable
initializes: erc20[ownable := ownable]
initializes: one_shot
initializes: tickets

# Withheld: snekmate's `mint`, `set_minter`, `is_minter` and owner functions, as ASSAY does;
# `burn`, `burn_from`: burned past the minter, KARAT would leave its lock behind for ever.
exports: (
    erc20.name,
    erc20.symbol,
    erc20.decimals,
    erc20.totalSupply,
    erc20.balanceOf,
    erc20.allowance,
    erc20.transfer,
    erc20.transferFrom,
    erc20.approve,
    erc20.permit,
    erc20.nonces,
    erc20.DOMAIN_SEPARATOR,
    erc20.eip712Domain,
)


# ------------------------------------------------------------------
#                             CONSTANTS
# ------------------------------------------------------------------

# One day at least: see the argument above.
MIN_COOLDOWN_SECONDS: constant(uint256) = 86_400
MAX_COOLDOWN_SECONDS: constant(uint256) = 30 * 86_400

# 10**18 units of KARAT spend 10**6 micro-dollars a day.
UNITS_PER_MICRO_USD: constant(uint256) = 10**12


# ------------------------------------------------------------------
#                              STORAGE
# ------------------------------------------------------------------

# INVARIANT: balanceOf[self] >= total_staked + total_tickets, equal without donations;
#            total_staked = sum(staked_of), total_tickets = sum of open tickets.
staked_of: public(HashMap[address, uint256])
total_staked: public(uint256)
total_tickets: public(uint256)

# Zero until set.
ledger: public(address)


# ------------------------------------------------------------------
#                            CONSTRUCTOR
# ------------------------------------------------------------------


@deploy
def __init__(cooldown_seconds_: uint256):
    """
    @param cooldown_seconds_ Delay of a ticket: 1 to 30 days.
    """
    assert cooldown_seconds_ >= MIN_COOLDOWN_SECONDS, "karat: cooldown too short"
    one_shot.__init__()
    tickets.__init__(cooldown_seconds_, MAX_COOLDOWN_SECONDS)
    ownable.__init__()
    erc20.__init__("Karat", "KARAT", 18, "Karat", "1")
    self._drop_snekmate_roles()


@external
def set_links(minter: address, ledger: address):
    """
    @notice Deployer, once: who mints and burns, and who knows what staked KARAT is promised to.
    """
    one_shot._set(minter)
    assert ledger.is_contract, "karat: ledger is not a contract"
    self.ledger = ledger
    log IKaratToken.LinksSet(minter=minter, ledger=ledger)


# ------------------------------------------------------------------
#                              MINTING
# ------------------------------------------------------------------


@external
def mint(to: address, amount: uint256):
    """
    @notice Minter only.
    """
    self._check_minter()
    erc20._mint(to, amount)


@external
def burn_for(account: address, amount: uint256):
    """
    @notice Minter only: burn an account's unstaked KARAT, at that account's own call.
    """
    self._check_minter()
    erc20._burn(account, amount)


# ------------------------------------------------------------------
#                              STAKING
# ------------------------------------------------------------------


@external
def stake(amount: uint256):
    """
    @notice Stake the caller's KARAT, to spend from this second on.
    """
    assert amount > 0, "karat: nothing to stake"
    erc20._transfer(msg.sender, self, amount)
    self._add_stake(msg.sender, amount)
    log IKaratToken.Staked(account=msg.sender, amount=amount)


@external
def request_unstake(amount: uint256) -> uint256:
    """
    @notice Take staked KARAT out, at once, unless it is allocated; the ticket ripens after the
            cooldown.
    @return The ticket's id, counted per account from 0.
    """
    staked: uint256 = self.staked_of[msg.sender]
    assert amount <= staked, "karat: stake too small"
    self._check_allocated(msg.sender, staked - amount)
    self.staked_of[msg.sender] = staked - amount
    self.total_staked -= amount
    self.total_tickets += amount
    ticket_id: uint256 = 0
    ready_at: uint256 = 0
    ticket_id, ready_at = tickets._issue(msg.sender, amount)
    log IKaratToken.UnstakeRequested(
        account=msg.sender, ticket_id=ticket_id, amount=amount, ready_at=ready_at
    )
    return ticket_id


@external
def cancel_ticket(ticket_id: uint256) -> uint256:
    """
    @notice Stake a ticket's amount again, ripe or not.
    @return The amount.
    """
    amount: uint256 = tickets._cancel(msg.sender, ticket_id)
    self.total_tickets -= amount
    self._add_stake(msg.sender, amount)
    log IKaratToken.TicketCancelled(account=msg.sender, ticket_id=ticket_id, amount=amount)
    return amount


@external
def withdraw(ticket_id: uint256) -> uint256:
    """
    @notice Collect a ripe ticket of the caller's.
    @return The amount.
    """
    amount: uint256 = tickets._redeem(msg.sender, ticket_id)
    self.total_tickets -= amount
    erc20._transfer(self, msg.sender, amount)
    log IKaratToken.Withdrawn(account=msg.sender, ticket_id=ticket_id, amount=amount)
    return amount


# ------------------------------------------------------------------
#                               VIEWS
# ------------------------------------------------------------------


@view
@external
def ticket(account: address, ticket_id: uint256) -> (uint256, uint256):
    """
    @notice Amount and first second of withdrawal; (0, 0) for none.
    """
    return tickets._ticket(account, ticket_id)


@view
@external
def ticket_count(account: address) -> uint256:
    """
    @notice How many tickets the account was ever given.
    """
    return tickets.next_ticket[account]


@view
@external
def cooldown_seconds() -> uint256:
    return tickets.DELAY_SECONDS


@view
@external
def minter() -> address:
    """
    @notice Zero until set.
    """
    return one_shot.target


# ------------------------------------------------------------------
#                              INTERNAL
# ------------------------------------------------------------------


@internal
def _add_stake(account: address, amount: uint256):
    self.staked_of[account] += amount
    self.total_staked += amount


@view
@internal
def _check_allocated(account: address, staked_after: uint256):
    """
    @dev Rounded down to whole micro-dollars, as the ledger counts the allowance.
    """
    karat_micro: uint256 = 0
    capacity_bps: uint256 = 0
    karat_micro, capacity_bps = staticcall ICreditLedger(self.ledger).committed_of(account)
    assert staked_after // UNITS_PER_MICRO_USD >= karat_micro, "karat: allocated to channels"


@view
@internal
def _check_minter():
    assert msg.sender == one_shot.target, "karat: caller is not the minter"


@internal
def _drop_snekmate_roles():
    """
    @notice snekmate makes the deployer owner and minter. No exported function asks for either
            role; both are cleared all the same, so that storage and events say so.
    """
    erc20.is_minter[msg.sender] = False
    log erc20.RoleMinterChanged(minter=msg.sender, status=False)
    ownable._transfer_ownership(empty(address))
