"""What games cost: spam feeds the provider, slashing oneself burns, an upgrade moves no claim."""

from __future__ import annotations

from contextlib import suppress
from unittest.mock import patch

import boa
import pytest
from boa import BoaError

from tests.attacks.arena import LENIENT, Defect, dispute, without
from tests.support import market as market_module
from tests.support.market import BOND, SLASH, Claim, Market
from tests.support.toy_game import CHALLENGER_WON, PROVIDER_WON, RESOLVED, ToyTrace, open_game

GAME, SETTLEMENT, REGISTRY = "disputes/DisputeGame", "network/Settlement", "network/ModelRegistry"
LIE = (1, 2, 600)
SPAM = 8
SECONDS_A_MOVE = 12
"""Between any two moves: a block, as if one account sent them all, one after another."""

FREE_CHALLENGES = Defect(
    GAME,
    "    self._return_bonds(record, provider)\n",
    "    self._return_bonds(record, game_state._challenger(record))\n",
    "modules/stakes",
)
ALL_IS_REWARD = Defect(
    SETTLEMENT,
    "MAX_REWARD_BPS: constant(uint256) = 5_000\n",
    "MAX_REWARD_BPS: constant(uint256) = 10_000\n",
)
BURNS_NOTHING = Defect(
    "network/ProviderRegistry",
    "    extcall IBurnableERC20(bond_token).burn(burned)\n",
    "    self._send(beneficiary, burned)\n",
)
REPLACES_VERIFIERS = Defect(
    REGISTRY,
    "    assert self.verifier_of_spec[spec_version] == empty(address), (\n"
    '        "model_registry: spec version has its verifier"\n    )\n',
    "",
)
REGISTERS_AGAIN = Defect(
    REGISTRY,
    '    assert self.registered_at[model_root] == 0, "model_registry: already registered"\n',
    "",
)


def spam(market: Market, claim: Claim) -> int:
    """Puppets open many false games at once, and play each to its end; what that costs them.

    The provider makes one move a block, nearest deadline first, and loses none.
    """
    puppets = [boa.env.generate_address("puppet") for _ in range(SPAM)]
    games = [open_game(market, claim, challenger=puppet) for puppet in puppets]
    bonded = market.providers.bonded(market.provider)
    while waiting := [game for game in games if game.phase != RESOLVED]:
        for game in sorted(waiting, key=lambda game: game.record.deadline):
            boa.env.time_travel(seconds=SECONDS_A_MOVE)
            game.advance(LIE)
    assert {game.record.outcome for game in games} == {PROVIDER_WON}
    assert market.providers.bonded(market.provider) == bonded
    market.after_window()
    assert market.finalise(claim) > 0
    return SPAM * BOND - sum(market.bond_token.balanceOf(puppet) for puppet in puppets)


def test_spam_feeds_the_provider() -> None:
    with dispute() as (market, claim):
        assert spam(market, claim) == SPAM * BOND
        assert market.bond_token.balanceOf(market.provider) == SPAM * BOND


def test_spam_bites() -> None:
    """Where a lost game costs nothing, so do many."""
    with dispute(FREE_CHALLENGES) as (market, claim):
        assert spam(market, claim) == 0


def slash_oneself(market: Market, claim: Claim) -> int:
    """A provider convicts its own claim through a puppet; what both have lost together."""
    wealth = market.providers.bonded(market.provider) + BOND
    game = open_game(market, claim, ToyTrace(4, {LIE: 1}), challenger=market.stranger).play(LIE)
    assert game.record.outcome == CHALLENGER_WON
    left = market.providers.bonded(market.provider) + market.bond_token.balanceOf(market.stranger)
    return int(wealth - left)


def test_slashing_oneself_burns_at_least_half() -> None:
    """At the largest reward that a settlement can be deployed with."""
    with patch.object(market_module, "REWARD_BPS", 5_000), dispute() as found:
        assert slash_oneself(*found) == SLASH // 2
    with (
        patch.object(market_module, "REWARD_BPS", 5_001),
        pytest.raises(BoaError, match="settlement: reward too large"),
        dispute(),
    ):
        pass


@pytest.mark.parametrize(("defect", "reward"), [(ALL_IS_REWARD, 10_000), (BURNS_NOTHING, 5_000)])
def test_slashing_oneself_bites(defect: Defect, reward: int) -> None:
    """Then a provider that sees a challenger come takes its claim back for nothing."""
    with patch.object(market_module, "REWARD_BPS", reward), dispute(defect) as found:
        assert slash_oneself(*found) == 0


def upgrade(market: Market, claim: Claim) -> bool:
    """A lie is posted; the owner gives its spec version a verifier to which all is right."""
    lenient = without(LENIENT)()
    for change in (
        lambda: market.models.add_verifier(1, lenient, sender=market.owner),
        lambda: market.models.register(claim.model.abi()),
    ):
        with suppress(BoaError):
            change()
    game = open_game(market, claim, ToyTrace(4, {LIE: 1})).play(LIE)
    return game.record.outcome == PROVIDER_WON


def test_an_upgrade_moves_no_claim() -> None:
    """Two lines stand in its way; either is enough."""
    with dispute() as found:
        assert not upgrade(*found)
    for alone in (REPLACES_VERIFIERS, REGISTERS_AGAIN):
        with dispute(alone) as found:
            assert not upgrade(*found)


def test_an_upgrade_bites() -> None:
    with dispute(REPLACES_VERIFIERS, REGISTERS_AGAIN) as found:
        assert upgrade(*found)
