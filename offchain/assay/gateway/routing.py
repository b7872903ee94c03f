"""Which providers can serve a request, best first. Pure, but for the clock that is passed in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from assay.core.errors import InputError
from assay.gateway.upstream import Offer

OFFER_SECONDS = 5.0
"""A provider's description is asked for again after this long."""


@dataclass
class Catalogue:
    """What the providers offered last, by URL.

    `price_input`, `price_output`: the most that the gateway pays, micro-USD per million tokens.
    """

    price_input: int
    price_output: int
    offers: dict[str, Offer] = field(default_factory=dict)
    asked_at: dict[str, float] = field(default_factory=dict)

    def stale(self, urls: Iterable[str], now: float) -> list[str]:
        """The URLs whose offer is old or missing."""
        return [url for url in urls if now - self.asked_at.get(url, -1e9) >= OFFER_SECONDS]

    def update(self, url: str, offer: Offer | None, now: float) -> None:
        """Take in an offer; None withdraws the last one."""
        self.asked_at[url] = now
        if offer is None:
            self.offers.pop(url, None)
        else:
            self.offers[url] = offer

    def models(self) -> dict[str, Offer]:
        """One offer for each model that is served, by the model's name."""
        return {offer.model_id: offer for offer in self.offers.values()}

    def candidates(self, model: str, only: Sequence[str] | None) -> list[Offer]:
        """Offers for a model, the cheapest and least loaded first; InputError if there is none."""
        serving = [offer for offer in self.offers.values() if offer.model_id == model]
        if not serving:
            raise model_not_found(model, sorted(self.models()))
        if only is not None:
            serving = [offer for offer in serving if offer.address in only]
            if not serving:
                raise InputError(
                    f"no provider of {model} is among {', '.join(only)}",
                    code="provider_not_found",
                    status=404,
                    param="provider.only",
                )
        affordable = [offer for offer in serving if self._affordable(offer)]
        if not affordable:
            raise InputError(
                f"every provider of {model} asks more than this gateway pays "
                f"({self.price_input}/{self.price_output} micro-USD per million tokens)",
                code="price",
                status=503,
            )
        return sorted(affordable, key=lambda o: (o.running, o.price_output + o.price_input))

    def _affordable(self, offer: Offer) -> bool:
        return offer.price_input <= self.price_input and offer.price_output <= self.price_output


def model_not_found(model: str, known: Sequence[str]) -> InputError:
    return InputError(
        f"The model '{model}' does not exist; served now: {', '.join(known) or 'none'}",
        code="model_not_found",
        status=404,
        param="model",
    )
