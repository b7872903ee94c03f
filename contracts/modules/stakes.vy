# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title What a game is played for
@license AGPL-3.0-only
@notice The challenger's bond, and the claim. A bond comes in when a game opens and leaves when
        it ends, to whoever is right.
        INVARIANT: the contract holds the bond of each unresolved game.
"""

from ..interfaces import IBurnableERC20
from ..interfaces import IDisputeGame
from ..interfaces import ISettlement
from . import game_state

uses: game_state


# ------------------------------------------------------------------
#                            IMMUTABLES
# ------------------------------------------------------------------

SETTLEMENT: immutable(address)
BOND_TOKEN: immutable(address)
CHALLENGER_BOND: immutable(uint256)


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


@internal
def _take_bond():
    assert extcall IBurnableERC20(BOND_TOKEN).transferFrom(msg.sender, self, CHALLENGER_BOND), (
        "dispute_game: transfer failed"
    )


@internal
def _acquit(game_id: bytes32, reason: String[64]):
    """
    @notice The challenger's bond goes to the provider. The claim is as open as before.
    """
    provider: address = game_state.records[game_id].provider
    claim_id: bytes32 = game_state._end(game_id, game_state.PROVIDER_WON)
    self._return_bond(provider)
    self._log_end(game_id, claim_id, provider, game_state.PROVIDER_WON, reason)


@internal
def _convict(game_id: bytes32, reason: String[64]):
    """
    @notice The claim dies; the challenger gets its bond back, and the reward.
    """
    challenger: address = game_state._challenger(game_id)
    claim_id: bytes32 = game_state._end(game_id, game_state.CHALLENGER_WON)
    self._return_bond(challenger)
    extcall ISettlement(SETTLEMENT).convict(
        game_state.records[game_id].batch_id, game_state._index(game_id), challenger
    )
    self._log_end(game_id, claim_id, challenger, game_state.CHALLENGER_WON, reason)


@internal
def _close(game_id: bytes32):
    """
    @notice The claim died in another game; the challenger gets its bond back.
    """
    challenger: address = game_state._challenger(game_id)
    claim_id: bytes32 = game_state._end(game_id, game_state.CLOSED)
    self._return_bond(challenger)
    log IDisputeGame.GameClosed(game_id=game_id, claim_id=claim_id, challenger=challenger)


@internal
def _return_bond(beneficiary: address):
    assert extcall IBurnableERC20(BOND_TOKEN).transfer(beneficiary, CHALLENGER_BOND), (
        "dispute_game: transfer failed"
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
