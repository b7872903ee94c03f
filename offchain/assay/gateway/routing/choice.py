"""The order in which providers are tried. Pure.

Without `order` and `sort`, as OpenRouter documents it: those that failed of late come last, and
among the others chance decides, with the inverse square of the price as weight. Ours on top: the
weight also falls with slowness, convictions and a small bond, and the chance is drawn by hashing
the prompt's first tokens, so that prompts that begin alike go where that beginning is cached
(weighted rendezvous hashing: Thaler and Ravishankar 1998; a change of one provider's weight moves
only prompts from or to that provider). Who has much more to do than the others comes after them
(consistent hashing with bounded loads: Mirrokni, Thorup and Zadimoghaddam 2016).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from assay.gateway.routing.measures import UNMEASURED, Speed
from assay.gateway.routing.preferences import Preferences
from assay.gateway.upstream import Offer

PREFIX_TOKENS = 32
"""Prompts that share so many tokens go to the same provider; shorter ones anywhere."""
LOAD_FACTOR, LOAD_SLACK = 1.25, 2
"""A provider is busy with more than so many times the mean load and so many jobs."""
LEAST_SPEED = 0.25
"""The slowest provider's weight, over that of the fastest."""
LEAST_BOND = 0.5
CONVICTION = 0.25
"""Each conviction takes the weight times this."""


@dataclass(frozen=True)
class Candidate:
    """An offer and what is known of who makes it.

    Attributes:
        running: jobs that the provider has, of this gateway or in all, whichever is more.
        bond: in units of ASSAY; None if the chain was not read yet.
        stable: it did not fail of late.
    """

    offer: Offer
    speed: Speed = UNMEASURED
    running: int = 0
    bond: int | None = None
    convictions: int = 0
    stable: bool = True


@dataclass(frozen=True)
class Demand:
    """What is to be served: tokens of the prompt, and of the output at most."""

    prompt: Sequence[int]
    output_tokens: int

    def price(self, offer: Offer) -> int:
        """Micro-USD · 10⁶ if all of it comes."""
        output = 0 if offer.embeds else self.output_tokens * offer.price_output
        return len(self.prompt) * offer.price_input + output

    def seconds(self, speed: Speed) -> float | None:
        """How long it would take; None where that was not measured."""
        if speed.latency is None or (speed.throughput is None and self.output_tokens > 1):
            return None
        return speed.latency + (self.output_tokens - 1) / (speed.throughput or 1.0)


def ranked(
    candidates: Sequence[Candidate],
    wishes: Preferences,
    demand: Demand,
    draw: Callable[[], bytes],
) -> list[Offer]:
    """All candidates that may be tried, best first.

    Args:
        draw: fresh random bytes, for prompts without a beginning to hash.
    """
    if len(candidates) == 1 and not wishes.order:
        return [candidates[0].offer]
    first = [c for address in wishes.order for c in candidates if c.offer.address == address]
    if wishes.order and not wishes.allow_fallbacks:
        return [c.offer for c in first]
    others = [c for c in candidates if c not in first]
    if wishes.sort is not None:
        rest = _sorted(others, wishes.sort, demand)
    else:
        rest = _weighted(others, demand, affinity_key(demand.prompt, draw))
    found = [c.offer for c in (*first, *rest)]
    return found if wishes.allow_fallbacks else found[:1]


def affinity_key(prompt: Sequence[int], draw: Callable[[], bytes]) -> bytes:
    """The hash of a prompt's first tokens; chance where it has too few."""
    if len(prompt) < PREFIX_TOKENS:
        return draw()
    words = b"".join(token.to_bytes(4, "big") for token in prompt[:PREFIX_TOKENS])
    return blake2b(words, digest_size=16).digest()


def weights(candidates: Sequence[Candidate], demand: Demand) -> list[float]:
    """How often each is chosen, up to a common factor."""
    times = [demand.seconds(c.speed) for c in candidates]
    best = min((t for t in times if t is not None), default=0.0)
    bonds = max((c.bond or 0 for c in candidates), default=0)
    return [
        _price_weight(demand.price(c.offer))
        * _speed_weight(best, seconds)
        * _bond_weight(c.bond, bonds)
        * CONVICTION**c.convictions
        for c, seconds in zip(candidates, times, strict=True)
    ]


def _price_weight(price: int) -> float:
    return 1.0 / float(max(price, 1)) ** 2


def _speed_weight(best: float, seconds: float | None) -> float:
    """1 for the fastest and for those that are not measured, so that they will be."""
    if seconds is None or seconds <= 0:
        return 1.0
    return max(best / seconds, LEAST_SPEED)


def _bond_weight(bond: int | None, largest: int) -> float:
    if bond is None or not largest:
        return 1.0
    return LEAST_BOND + (1 - LEAST_BOND) * bond / largest


def _weighted(candidates: Sequence[Candidate], demand: Demand, key: bytes) -> list[Candidate]:
    """Stable before unstable, idle before busy; among equals by chance and weight."""
    busy = LOAD_SLACK + LOAD_FACTOR * _mean([c.running for c in candidates])
    order = [
        (not c.stable, c.running > busy, _arrival(key, c.offer.url, weight), index)
        for index, (c, weight) in enumerate(
            zip(candidates, weights(candidates, demand), strict=True)
        )
    ]
    return [candidates[index] for *_, index in sorted(order)]


def _arrival(key: bytes, url: str, weight: float) -> float:
    """Exponentially distributed with rate `weight`: who arrives first was chosen by weight."""
    digest = blake2b(url.encode(), key=key, digest_size=8).digest()
    uniform = (int.from_bytes(digest, "big") + 1) / (2**64 + 1)
    return -math.log(uniform) / weight if weight else math.inf


def _sorted(candidates: Sequence[Candidate], by: str, demand: Demand) -> list[Candidate]:
    """By one attribute, those without a measurement last; equals by price."""

    def rank(c: Candidate) -> tuple[bool, float, int]:
        price = demand.price(c.offer)
        if by == "latency":
            return not c.stable, math.inf if c.speed.latency is None else c.speed.latency, price
        if by == "throughput":
            return not c.stable, -(c.speed.throughput or 0.0), price
        return not c.stable, price, c.running

    return sorted(candidates, key=rank)


def _mean(numbers: Sequence[int]) -> float:
    return sum(numbers) / len(numbers) if numbers else 0.0
