"""How providers cheat, in the terms that decide whether it pays."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scripts.sim import rules
from scripts.sim.scenario import Audits


@dataclass(frozen=True)
class Strategy:
    """A kind of provider.

    wrong_share  of the claims within its prices that it cheats on
    saved        of a wrong claim's computation
    outside      what a wrong claim that is paid earns elsewhere, over its price
    least, most  prices in dollars of the claims that it cheats on
    canaries     whether it cheats on canaries, too, which it cannot do if it picks its victims
    puppet       whether it convicts itself before others do, to have the reward back
    days         from its entry until it leaves by itself
    last_days    of these, in which it cheats
    once         leaves after a wrong claim
    """

    name: str
    wrong_share: float
    saved: float
    outside: float = 0.0
    least: float = 0.0
    most: float = math.inf
    canaries: bool = True
    puppet: bool = False
    days: float = math.inf
    last_days: float = math.inf
    once: bool = False

    @property
    def begin_day(self) -> float:
        """From which day after its entry it cheats."""
        return 0.0 if math.isinf(self.days) else self.days - min(self.last_days, self.days)

    def cheats_at(self, price: float) -> bool:
        return self.least <= price <= self.most

    def seen(self, price: float, drawn: float, audits: Audits, canary_share: float) -> float:
        """Chance that a wrong claim of this price is found; `drawn`: the share that is audited."""
        missed = 1.0 - drawn * audits.sees
        return 1.0 - missed * (1.0 - canary_share) if self.canaries else 1.0 - missed


HONEST = Strategy("honest, faulty hardware", wrong_share=1e-6, saved=0.0)
CHEATS = (
    Strategy("smaller model", 1.0, 0.88),
    Strategy("smaller model, puppet", 1.0, 0.88, puppet=True),
    Strategy("smaller model, 1 in 100", 0.01, 0.88, puppet=True),
    Strategy("fewer layers", 1.0, 0.5, puppet=True),
    Strategy("fewer bits", 1.0, 0.25, puppet=True),
    Strategy("copied answers", 1.0, 1.0, puppet=True),
    Strategy("dear claims", 1.0, 1.0, least=1.0, canaries=False, puppet=True),
    Strategy("rare, targeted", 0.001, 1.0, 1.0, canaries=False, puppet=True),
    Strategy("answers for sale", 0.1, 1.0, 1.0, least=0.1, canaries=False, puppet=True),
    Strategy("one-off", 1.0, 1.0, 1.0, least=10.0, canaries=False, puppet=True, once=True),
    Strategy("exit scam", 1.0, 1.0, puppet=True, days=30, last_days=1),
)
STRATEGIES = (HONEST, *CHEATS)


@dataclass(frozen=True)
class Terms:
    """Money of a claim, dollars.

    slash, reward_share  of a conviction
    fee_share            of a claim's price
    compute_share        of a claim's price that its computation costs
    game_usd             gas of a whole game, which a puppet and its provider pay both sides of
    """

    slash: float
    reward_share: float
    fee_share: float
    compute_share: float
    game_usd: float

    @property
    def burn(self) -> float:
        return self.slash * (1.0 - self.reward_share)

    def lost(self, strategy: Strategy) -> float:
        """Of the bond, by a conviction."""
        return self.burn + self.game_usd if strategy.puppet else self.slash

    def advantage(self, strategy: Strategy, price: float, seen: float) -> float:
        """Expected, over the honest answer, of one wrong claim."""
        saved = strategy.saved * self.compute_share * price
        net = price * (1.0 - self.fee_share)
        outside = strategy.outside * price
        return rules.wrong_claim(net, saved, outside, seen, self.lost(strategy))

    def profit(self, strategy: Strategy, price: float, seen: float) -> float:
        """Expected, of one wrong claim, for somebody who would not be there honestly."""
        honest = price * (1.0 - self.fee_share - self.compute_share)
        return self.advantage(strategy, price, seen) + honest
