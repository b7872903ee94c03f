"""Who may serve a request, and in which order."""

from __future__ import annotations

import pytest

from assay.core.errors import InputError
from assay.gateway.routing import OFFER_SECONDS, Catalogue
from assay.gateway.upstream import Offer


def offer(name: str, price: int = 10, running: int = 0, model: str = "m") -> Offer:
    return Offer(f"http://{name}", name, model, bytes(32), 512, price, price, running)


def catalogue(*offers: Offer) -> Catalogue:
    found = Catalogue(price_input=100, price_output=100)
    for item in offers:
        found.update(item.url, item, now=0.0)
    return found


def test_the_least_loaded_then_the_cheapest_is_first() -> None:
    found = catalogue(offer("busy", running=3), offer("dear", price=20), offer("cheap"))
    assert [o.address for o in found.candidates("m", None)] == ["cheap", "dear", "busy"]


def test_only_narrows_the_choice() -> None:
    found = catalogue(offer("a"), offer("b"))
    assert [o.address for o in found.candidates("m", ("b",))] == ["b"]


@pytest.mark.parametrize(
    ("model", "only", "code", "status"),
    [("x", None, "model_not_found", 404), ("m", ("c",), "provider_not_found", 404)],
)
def test_revert_nobody_serves(
    model: str, only: tuple[str, ...] | None, code: str, status: int
) -> None:
    with pytest.raises(InputError) as caught:
        catalogue(offer("a")).candidates(model, only)
    assert (caught.value.code, caught.value.status) == (code, status)


def test_revert_too_dear() -> None:
    with pytest.raises(InputError) as caught:
        catalogue(offer("a", price=101)).candidates("m", None)
    assert caught.value.code == "price"


def test_a_provider_that_fell_silent_is_withdrawn() -> None:
    found = catalogue(offer("a"))
    assert found.stale(["http://a", "http://b"], now=1.0) == ["http://b"]
    assert found.stale(["http://a"], now=OFFER_SECONDS) == ["http://a"]
    found.update("http://a", None, now=OFFER_SECONDS)
    assert found.models() == {}
