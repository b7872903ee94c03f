"""False challenges against all claims of a provider at once, more than it can answer in time."""

from __future__ import annotations

from unittest.mock import patch

import boa

from assay.chain.parameters import ETHER, GAMES_A_BOND
from tests.attacks.arena import Defect, market
from tests.support import market as market_module
from tests.support.market import CLOCK, REWARD_BPS, SLASH, Market
from tests.support.toy_game import open_game

GAMES = 2 * GAMES_A_BOND
BOND = 1_000 * ETHER
REWARD = SLASH * REWARD_BPS // 10_000
ANSWERED = 14
"""As many as the provider answers within a clock; from 13 on no flood pays at these stakes."""

ONE_PRICE = Defect(
    "disputes/DisputeGame",
    "    return 1 + self.open_against[provider] // GAMES_A_BOND\n",
    "    return 1\n",
    "modules/stakes",
)


def flood(found: Market) -> int:
    """Every claim of the provider, all right, is challenged; what the attacker gains.

    The provider answers the dearest games, and the attacker moves in none of them; the others it
    wins by the clock.
    """
    found.fund_provider(GAMES * SLASH)
    claims = [found.claim() for _ in range(GAMES)]
    found.post(*claims)
    games = [open_game(found, claim, challenger=found.stranger) for claim in claims]
    paid = found.bond_token.balanceOf(found.game.address)
    assert paid == sum(game.record.bonds for game in games) * BOND
    for game in sorted(games, key=lambda game: -game.record.bonds)[:ANSWERED]:
        game.answer()
    boa.env.time_travel(seconds=CLOCK + 1)
    for game in games:
        game.timeout()
    return int(found.bond_token.balanceOf(found.stranger) - paid)


def test_a_flood_costs_its_maker() -> None:
    with patch.object(market_module, "BOND", BOND), market() as found:
        assert flood(found) == (GAMES - ANSWERED) * REWARD - 2 * ANSWERED * BOND < 0
        assert found.bond_token.balanceOf(found.provider) == 2 * ANSWERED * BOND


def test_a_flood_bites() -> None:
    """Where every game costs the same, the reward for those that were not answered outweighs it."""
    with patch.object(market_module, "BOND", BOND), market(ONE_PRICE) as found:
        assert flood(found) == (GAMES - ANSWERED) * REWARD - ANSWERED * BOND > 0
