"""What providers offer, and which offers fit a request. Pure: times are arguments."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from assay.core.errors import InputError
from assay.gateway.routing.preferences import Preferences
from assay.gateway.routing.standing import UNKNOWN, Standing
from assay.gateway.upstream import Offer

OFFER_SECONDS = 5.0
"""A provider's description is asked for again after this long."""
SILENT_SECONDS = 0.5
"""… or after this long, where there was none."""
MISSES = 2
"""Questions in a row without an answer that withdraw what a provider offers: one may be an
accident, of the network or our own."""
GONE = 60
"""Questions in a row without an answer, in a minute or more, after which nobody waits for it."""
UNITS = 10**18


@dataclass
class Catalogue:
    """What the providers offered last, by URL.

    Attributes:
        price_input, price_output: the most that the gateway pays, micro-USD per million tokens.
        offers: what was heard last; of who is silent now, too.
        misses: questions since then that were not answered.
        own: URLs of the settings; None for all. The others are strangers: they can offer what
            those of the settings have offered since the start, under the same name, so that a
            stranger gives no model another one's name.
        served: names and roots of those models.
        shunned: providers that are asked for nothing.
    """

    price_input: int
    price_output: int
    own: frozenset[str] | None = None
    offers: dict[str, tuple[Offer, ...]] = field(default_factory=dict)
    asked_at: dict[str, float] = field(default_factory=dict)
    misses: dict[str, int] = field(default_factory=dict)
    served: set[tuple[str, bytes]] = field(default_factory=set)
    shunned: frozenset[str] = frozenset()

    def stale(self, urls: Iterable[str], now: float) -> list[str]:
        """The URLs whose offer is old or missing."""

        def lasts(url: str) -> float:
            heard = self.offers.get(url) and url not in self.misses
            return OFFER_SECONDS if heard else SILENT_SECONDS

        return [url for url in urls if now - self.asked_at.get(url, -math.inf) >= lasts(url)]

    def update(self, url: str, offers: Sequence[Offer], now: float) -> None:
        """Take in a provider's offers; none withdraws the last ones."""
        self.asked_at[url] = now
        self.offers[url] = tuple(offers)
        self.misses.pop(url, None)
        if self._is_own(url):
            self.served.update((offer.model_id, offer.model_root) for offer in offers)

    def missed(self, url: str, now: float) -> None:
        """A provider did not answer."""
        self.asked_at[url] = now
        self.misses[url] = self.misses.get(url, 0) + 1

    def keep(self, urls: Iterable[str]) -> None:
        """Forget the providers that are not among these."""
        for url in (self.offers.keys() | self.misses.keys()) - set(urls):
            self.offers.pop(url, None)
            self.asked_at.pop(url, None)
            self.misses.pop(url, None)

    def all(self) -> list[Offer]:
        """What all providers offer, under names that are theirs to give."""
        return self._offers(range(MISSES))

    def heard(self) -> frozenset[str]:
        """Providers of all offers, those of the silent ones included."""
        return frozenset(offer.address for found in self.offers.values() for offer in found)

    def _offers(self, misses: range) -> list[Offer]:
        """Of the providers that have been silent so often."""
        return [
            offer
            for url, found in self.offers.items()
            if self.misses.get(url, 0) in misses
            for offer in found
            if offer.address not in self.shunned
            and (self._is_own(url) or (offer.model_id, offer.model_root) in self.served)
        ]

    def _is_own(self, url: str) -> bool:
        return self.own is None or url in self.own

    def models(self) -> dict[str, Offer]:
        """One offer for each model that is served, by the model's name."""
        return {offer.model_id: offer for offer in self.all()}

    def candidates(
        self,
        model: str,
        wishes: Preferences,
        standing: Mapping[str, Standing],
        can_wait: bool = False,
    ) -> list[Offer]:
        """Offers for a model that meet the wishes, the cheapest first; InputError if none does.

        Args:
            standing: by address; what is not known of a provider holds no wish.
            can_wait: whether the offers, and their prices, are those to work that can wait.
        """
        serving, silent = (
            [
                offer.for_batch() if can_wait else offer
                for offer in self._offers(misses)
                if offer.model_id == model
            ]
            for misses in (range(MISSES), range(MISSES, GONE))
        )
        if not serving and (model in {name for name, _ in self.served} or self._unheard()):
            raise _silence(model)
        if not serving:
            raise model_not_found(model, sorted(self.models()))
        for name, meets in _rules(wishes, standing).items():
            serving, silent = (list(filter(meets, offers)) for offers in (serving, silent))
            if not serving and not silent:
                raise _silence(model) if self._unheard() else _nobody(model, name, wishes)
        if not serving:
            raise _silence(model)
        affordable = [offer for offer in serving if self._affordable(offer)]
        if not affordable:
            raise InputError(
                f"every provider of {model} asks more than this gateway pays "
                f"({self.price_input}/{self.price_output} micro-USD per million tokens)",
                code="price",
                status=503,
            )
        return sorted(affordable, key=lambda o: (o.price_output + o.price_input, o.running))

    def _unheard(self) -> bool:
        """Whether one of the settings' providers was not heard yet, and may serve anything."""
        return any(
            self._is_own(url) and url not in self.offers and misses < GONE
            for url, misses in self.misses.items()
        )

    def _affordable(self, offer: Offer) -> bool:
        return offer.price_input <= self.price_input and offer.price_output <= self.price_output


def _rules(
    wishes: Preferences, standing: Mapping[str, Standing]
) -> dict[str, Callable[[Offer], bool]]:
    """What each field asks of an offer, in the order in which refusals name them."""

    def known(offer: Offer) -> Standing:
        return standing.get(offer.address, UNKNOWN)

    def cheap(offer: Offer) -> bool:
        return (wishes.max_input is None or offer.price_input <= wishes.max_input) and (
            wishes.max_output is None or offer.embeds or offer.price_output <= wishes.max_output
        )

    def at_hand(offer: Offer) -> bool:
        return wishes.allow_fallbacks or not wishes.order or offer.address in wishes.order

    return {
        "only": lambda offer: wishes.only is None or offer.address in wishes.only,
        "order": at_hand,
        "ignore": lambda offer: offer.address not in wishes.ignore,
        "max_price": cheap,
        "min_bond": lambda offer: (
            not wishes.min_bond or (known(offer).bond or 0) >= wishes.min_bond
        ),
        "assurance": lambda offer: wishes.assurance != "clean" or known(offer).convictions == 0,
    }


def _silence(model: str) -> InputError:
    return InputError(
        f"no provider of {model} that was asked for answers now; try again later",
        code="no_provider",
        status=503,
    )


def _nobody(model: str, name: str, wishes: Preferences) -> InputError:
    asked: object = {
        "only": ", ".join(wishes.only or ()),
        "order": f"{', '.join(wishes.order)} without fallbacks",
        "ignore": ", ".join(wishes.ignore),
        "max_price": f"{wishes.max_input}/{wishes.max_output} micro-USD per million tokens",
        "min_bond": f"{wishes.min_bond / UNITS:g} ASSAY",
        "assurance": wishes.assurance,
    }[name]
    return InputError(
        f"no provider of {model} is left by provider.{name} ({asked}); ask for less, or see "
        "GET /v1/models for who serves it",
        code="provider_not_found",
        status=404,
        param=f"provider.{name}",
    )


def model_not_found(model: str, known: Sequence[str]) -> InputError:
    return InputError(
        f"The model '{model}' does not exist; served now: {', '.join(known) or 'none'}",
        code="model_not_found",
        status=404,
        param="model",
    )
