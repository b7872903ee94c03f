# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title What a game is played for
@license AGPL-3.0-only
@notice The challenger's bond, and the claim. A bond comes in when a game opens and leaves when
        it ends, to whoever is right. A provider can answer so many games at once and loses the
        others, right or wrong; so the more it has to answer, the dearer is the next one
        (contracts/README.md has the calculation). Who is right has all of it back.
        INVARIANT: the contract holds the bond of each unresolved game.
"""

from ..interfaces import IBurnableERC20
from ..interfaces import IDisputeGame
from ..interfaces import ISettlement
from . import game_state

uses: game_state


# ------------------------------------------------------------------
#                             CONSTANTS
# ------------------------------------------------------------------

# With so many games open against a provider the next ones cost one challenger bond more.
GAMES_A_BOND: constant(uint256) = 32


# ------------------------------------------------------------------
#                      IMMUTABLES AND STORAGE
# ------------------------------------------------------------------

SETTLEMENT: immutable(address)
BOND_TOKEN: immutable(address)
CHALLENGER_BOND: immutable(uint256)

# How many unresolved games a provider has to answer.
open_against: HashMap[address, uint256]


@deploy
def __init__(settlement: address, bond_token: address, challenger_bond: uint256):
    assert settlement.is_contract, "dispute_game: settlement is not a contract"
    assert bond_token.is_contract, "dispute_game: token is not a contract"
    assert 0 < challenger_bond, "dispute_game: no bond"
    SETTLEMENT = settlement
    BOND_TOKEN = bond_token
    CHALLENGER_BOND = challenger_bond


# ------------------------------------------------------------------
#                            IN AND OUT
# ------------------------------------------------------------------


@view
@internal
def _bonds(provider: address) -> uint256:
    """
    @notice How many challenger bonds the next game against a provider costs.
    """
    return 1 + self.open_against[provider] // GAMES_A_BOND


@internal
def _take_bonds(provider: address, bonds: uint256):
    """
    @notice One more game against a provider, at that price.
    """
    self.open_against[provider] += 1
    assert extcall IBurnableERC20(BOND_TOKEN).transferFrom(
        msg.sender, self, bonds * CHALLENGER_BOND
    )


@internal
def _acquit(game_id: bytes32, record: IDisputeGame.Record, reason: String[64]):
    """
    @notice The challenger's bond goes to the provider. The claim is as open as before.
    """
    provider: address = record.provider
    claim_id: bytes32 = game_state._end(game_id, record, game_state.PROVIDER_WON)
    self._return_bonds(record, provider)
    self._log_end(game_id, claim_id, provider, game_state.PROVIDER_WON, reason)


@internal
def _convict(game_id: bytes32, record: IDisputeGame.Record, reason: String[64]):
    """
    @notice The claim dies; the challenger gets its bond back, and the reward.
    """
    challenger: address = game_state._challenger(record)
    claim_id: bytes32 = game_state._end(game_id, record, game_state.CHALLENGER_WON)
    self._return_bonds(record, challenger)
    extcall ISettlement(SETTLEMENT).convict(
        record.batch_id, game_state._index(record), challenger
    )
    self._log_end(game_id, claim_id, challenger, game_state.CHALLENGER_WON, reason)


@internal
def _close(game_id: bytes32, record: IDisputeGame.Record):
    """
    @notice The claim died in another game; the challenger gets its bond back.
    """
    challenger: address = game_state._challenger(record)
    claim_id: bytes32 = game_state._end(game_id, record, game_state.CLOSED)
    self._return_bonds(record, challenger)
    log IDisputeGame.GameClosed(game_id=game_id, claim_id=claim_id, challenger=challenger)


@internal
def _return_bonds(record: IDisputeGame.Record, beneficiary: address):
    self.open_against[record.provider] -= 1
    assert extcall IBurnableERC20(BOND_TOKEN).transfer(
        beneficiary, game_state._bonds(record) * CHALLENGER_BOND
    )


@internal
def _log_end(
    game_id: bytes32, claim_id: bytes32, winner: address, outcome: uint256, reason: String[64]
):
    log IDisputeGame.GameResolved(
        game_id=game_id,
        claim_id=claim_id,
        winner=winner,
        outcome=convert(outcome, uint8),
        reason=reason,
    )
