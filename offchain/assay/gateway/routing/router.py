"""Routing as one object: offers, speeds, breakers and standing, and the choice among them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from assay.core.discounts import has_room
from assay.core.errors import InputError
from assay.gateway.routing.breaker import Breaker, Breakers
from assay.gateway.routing.catalogue import Catalogue
from assay.gateway.routing.choice import Candidate, Demand, ranked
from assay.gateway.routing.measures import Key, Measures
from assay.gateway.routing.preferences import Preferences
from assay.gateway.routing.standing import UNKNOWN, StandingReader
from assay.gateway.upstream import Offer

RETRY_SECONDS = 2


class NoProvider(InputError):
    """Every provider refused or failed, or is paused after failures."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="no_provider", status=503)


@dataclass
class Router:
    """Chooses, and learns from how it went.

    Attributes:
        standing: None where the chain says nothing of providers, in tests.
        clock, draw: seconds, and fresh random bytes.
    """

    catalogue: Catalogue
    standing: StandingReader | None = None
    measures: Measures = field(default_factory=Measures)
    breakers: Breakers = field(default_factory=Breakers)
    clock: Callable[[], float] = time.monotonic
    draw: Callable[[], bytes] = lambda: secrets.token_bytes(16)

    def suited(self, model: str, wishes: Preferences, can_wait: bool = False) -> list[Offer]:
        """Offers that meet the wishes, cheapest first; InputError if there is none."""
        known = self.standing.known if self.standing else {}
        return self.catalogue.candidates(model, wishes, known, can_wait)

    def idle(self, model: str, root: bytes, wishes: Preferences) -> list[Offer]:
        """Offers, as they stand now, of those that have room for work that can wait; perhaps none.
        InputError if none would suit even with room."""
        now = self.clock()
        return [
            offer
            for offer in self.suited(model, wishes, can_wait=True)
            if offer.model_root == root
            and self.breakers.of(offer.url).passes(now)
            and has_room(self._running(offer), offer.capacity)
        ]

    def _running(self, offer: Offer) -> int:
        """Jobs there, as the provider said last or as we know, whichever is more."""
        return max(offer.running, self.measures.in_flight(offer.url))

    def ranked(self, offers: Sequence[Offer], wishes: Preferences, demand: Demand) -> list[Offer]:
        """In the order in which to try them; NoProvider if all are paused."""
        now = self.clock()
        open_to = [offer for offer in offers if self.breakers.of(offer.url).passes(now)]
        if not open_to:
            names = ", ".join(sorted({offer.address for offer in offers}))
            raise NoProvider(
                f"all providers of {offers[0].model_id} failed of late ({names}) and are left "
                f"alone for a while; try again in {RETRY_SECONDS} s"
            )
        return ranked([self._candidate(o, now) for o in open_to], wishes, demand, self.draw)

    def _candidate(self, offer: Offer, now: float) -> Candidate:
        standing = (self.standing.known if self.standing else {}).get(offer.address, UNKNOWN)
        return Candidate(
            offer,
            speed=self.measures.speed(key_of(offer), now),
            running=self._running(offer),
            bond=standing.bond,
            convictions=standing.convictions,
            stable=self.breakers.of(offer.url).stable(now),
        )

    def attempt(self, offer: Offer) -> Attempt | None:
        """Begin to send a job there; None if the provider's breaker does not let it pass."""
        breaker = self.breakers.of(offer.url)
        if not breaker.enter(self.clock()):
            return None
        self.measures.sent(offer.url)
        return Attempt(self.measures, breaker, offer, self.clock)


@dataclass
class Attempt:
    """One job at one provider: tells breaker and averages how it goes. `close` ends it, once."""

    measures: Measures
    breaker: Breaker
    offer: Offer
    clock: Callable[[], float]
    _sent_at: float = field(init=False)
    _first: float | None = None
    _open: bool = True

    def __post_init__(self) -> None:
        self._sent_at = self.clock()

    @property
    def began(self) -> bool:
        """Whether a token has come."""
        return self._first is not None

    def first_token(self) -> None:
        self._first = self.clock()
        latency = self._first - self._sent_at
        self.measures.first_token(key_of(self.offer), latency, self._first)

    def answered(self, tokens: int) -> None:
        now = self.clock()
        if self._first is not None:
            self.measures.answered(key_of(self.offer), tokens, now - self._first, now)
        self.breaker.succeeded()
        self.close()

    def failed(self) -> None:
        self.breaker.failed(self.clock())
        self.close()

    def close(self) -> None:
        """Also of a job that was called off or refused: it shows nothing of the provider."""
        if self._open:
            self._open = False
            self.measures.ended(self.offer.url)
            self.breaker.leave()

    def __del__(self) -> None:
        self.close()  # of an answer that nobody has begun to read


def key_of(offer: Offer) -> Key:
    return offer.url, offer.model_id
