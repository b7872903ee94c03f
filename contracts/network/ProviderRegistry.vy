# pragma version 0.4.3
# pragma nonreentrancy on
# pragma evm-version cancun
"""
@title Provider registry: bonds, what locks them and what slashes them
@license AGPL-3.0-only
@notice A provider bonds tokens. Each batch it posts locks the slash of all its claims; what
        is locked cannot leave. A finalised or abandoned claim unlocks its part, a convicted
        one loses it: part goes to the game's opener, the rest is burned, so that slashing
        oneself is not free.
        Free bond leaves by ticket: it stops backing claims at once, and is paid out after
        `unbonding_seconds`, longer than a challenge window and the longest game.
        Where a provider serves, it says in an event: gateways find it by that.
@custom:kill Nothing stops the registry. The deployer names the settlement once.
"""

from ..interfaces import IBurnableERC20
from ..interfaces import IProviderRegistry
from ..modules import one_shot
from ..modules import tickets

implements: IProviderRegistry
initializes: one_shot
initializes: tickets


# ------------------------------------------------------------------
#                             CONSTANTS
# ------------------------------------------------------------------

MAX_UNBONDING_SECONDS: constant(uint256) = 365 * 86_400
MAX_URL: constant(uint256) = 256


# ------------------------------------------------------------------
#                             IMMUTABLES
# ------------------------------------------------------------------

bond_token: public(immutable(address))


# ------------------------------------------------------------------
#                              STORAGE
# ------------------------------------------------------------------

# INVARIANT: locked[p] <= bonded[p]; the contract holds sum(bonded) + sum(open tickets).
bonded: public(HashMap[address, uint256])
locked: public(HashMap[address, uint256])


# ------------------------------------------------------------------
#                            CONSTRUCTOR
# ------------------------------------------------------------------


@deploy
def __init__(bond_token_: address, unbonding_seconds_: uint256):
    """
    @param bond_token_ A plain ERC-20 with `burn`: no fee on transfer, no hooks.
    @param unbonding_seconds_ Delay of a ticket, at most a year; the settlement checks that
           it outlasts window and longest game.
    """
    assert bond_token_.is_contract, "provider_registry: token is not a contract"
    one_shot.__init__()
    tickets.__init__(unbonding_seconds_, MAX_UNBONDING_SECONDS)
    bond_token = bond_token_


@external
def set_settlement(settlement: address):
    """
    @notice Deployer, once: name the settlement that locks, unlocks and slashes.
    """
    one_shot._set(settlement)
    log IProviderRegistry.SettlementSet(settlement=settlement)


# ------------------------------------------------------------------
#                             PROVIDERS
# ------------------------------------------------------------------


@external
def bond(amount: uint256):
    """
    @notice Add to the caller's bond (approve it first).
    """
    self._bond(msg.sender, amount)


@external
def bond_for(provider: address, amount: uint256):
    """
    @notice Add to someone's bond from the caller's tokens.
    """
    self._bond(provider, amount)


@external
def announce(url: String[MAX_URL]):
    """
    @notice Say where the caller serves; an empty text takes it back. For those with a bond.
    """
    assert self.bonded[msg.sender] > 0, "provider_registry: no bond"
    log IProviderRegistry.Announced(provider=msg.sender, url=url)


@external
def request_unbond(amount: uint256) -> uint256:
    """
    @notice Take free bond out of service, at once; it can be withdrawn after the delay.
    @return The ticket's id, counted per provider from 0.
    """
    assert amount <= self._free(msg.sender), "provider_registry: bond is locked"
    self.bonded[msg.sender] -= amount
    ticket_id: uint256 = 0
    ready_at: uint256 = 0
    ticket_id, ready_at = tickets._issue(msg.sender, amount)
    log IProviderRegistry.UnbondRequested(
        provider=msg.sender, ticket_id=ticket_id, amount=amount, ready_at=ready_at
    )
    return ticket_id


@external
def withdraw(ticket_id: uint256) -> uint256:
    """
    @notice Collect one of the caller's tickets after its delay.
    @return The amount.
    """
    amount: uint256 = tickets._redeem(msg.sender, ticket_id)
    self._send(msg.sender, amount)
    log IProviderRegistry.Withdrawn(provider=msg.sender, ticket_id=ticket_id, amount=amount)
    return amount


# ------------------------------------------------------------------
#                             SETTLEMENT
# ------------------------------------------------------------------


@external
def lock(provider: address, amount: uint256):
    """
    @notice Settlement only: reserve free bond for posted claims.
    """
    self._check_settlement()
    assert amount <= self._free(provider), "provider_registry: bond too small"
    self.locked[provider] += amount
    log IProviderRegistry.Locked(provider=provider, amount=amount)


@external
def unlock(provider: address, amount: uint256):
    """
    @notice Settlement only: a claim is over and was not wrong.
    """
    self._check_settlement()
    self.locked[provider] -= amount
    log IProviderRegistry.Unlocked(provider=provider, amount=amount)


@external
def slash(provider: address, amount: uint256, reward: uint256, beneficiary: address):
    """
    @notice Settlement only: take locked bond; pay `reward` of it, burn the rest.
    """
    self._check_settlement()
    self.locked[provider] -= amount
    self.bonded[provider] -= amount
    burned: uint256 = amount - reward
    self._send(beneficiary, reward)
    extcall IBurnableERC20(bond_token).burn(burned)
    log IProviderRegistry.Slashed(
        provider=provider, beneficiary=beneficiary, reward=reward, burned=burned
    )


# ------------------------------------------------------------------
#                               VIEWS
# ------------------------------------------------------------------


@view
@external
def free(provider: address) -> uint256:
    return self._free(provider)


@view
@external
def ticket(provider: address, ticket_id: uint256) -> (uint256, uint256):
    """
    @notice Amount and first second of withdrawal; (0, 0) for none.
    """
    return tickets._ticket(provider, ticket_id)


@view
@external
def unbonding_seconds() -> uint256:
    return tickets.DELAY_SECONDS


@view
@external
def settlement() -> address:
    return one_shot.target


# ------------------------------------------------------------------
#                              INTERNAL
# ------------------------------------------------------------------


@internal
def _bond(provider: address, amount: uint256):
    assert provider != empty(address), "provider_registry: no provider"
    assert amount > 0, "provider_registry: nothing to bond"
    self.bonded[provider] += amount
    assert extcall IBurnableERC20(bond_token).transferFrom(msg.sender, self, amount), (
        "provider_registry: transfer failed"
    )
    log IProviderRegistry.Bonded(provider=provider, payer=msg.sender, amount=amount)


@view
@internal
def _free(provider: address) -> uint256:
    return self.bonded[provider] - self.locked[provider]


@view
@internal
def _check_settlement():
    assert msg.sender == one_shot.target, "provider_registry: caller is not the settlement"


@internal
def _send(to: address, amount: uint256):
    assert extcall IBurnableERC20(bond_token).transfer(to, amount), (
        "provider_registry: transfer failed"
    )
