"""Which offers fit a request, and what names strangers may give."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from assay.core.errors import InputError
from assay.gateway.routing.catalogue import GONE, MISSES, OFFER_SECONDS, SILENT_SECONDS, Catalogue
from assay.gateway.routing.preferences import ANY, Preferences
from assay.gateway.routing.standing import Standing
from assay.gateway.upstream import Offer
from tests.offchain.gateway.offers import offer


def catalogue(*offers: Offer, **fields: Any) -> Catalogue:
    found = Catalogue(price_input=100, price_output=100, **fields)
    for item in offers:
        found.update(item.url, [item], now=0.0)
    return found


def names(found: Catalogue, **wishes: Any) -> list[str]:
    standing = {"a": Standing(5, 0), "b": Standing(9, 1)}
    return [o.address for o in found.candidates("m", Preferences(**wishes), standing)]


def refusal(found: Catalogue, **wishes: Any) -> tuple[str, int]:
    with pytest.raises(InputError) as caught:
        names(found, **wishes)
    return caught.value.code, caught.value.status


def test_the_cheapest_then_the_least_loaded_is_first() -> None:
    found = catalogue(offer("busy", running=3), offer("dear", price=20), offer("idle"))
    assert names(found) == ["idle", "busy", "dear"]


def test_work_that_can_wait_is_offered_the_discount_and_held_to_what_it_pays() -> None:
    half = replace(offer("half", price=30), batch_discount_bps=5_000)
    found = catalogue(offer("full", price=20), half)
    at = {can_wait: found.candidates("m", ANY, {}, can_wait) for can_wait in (False, True)}
    assert [(o.address, o.price_input) for o in at[False]] == [("full", 20), ("half", 30)]
    assert [(o.address, o.price_output) for o in at[True]] == [("half", 15), ("full", 20)]
    dear = Preferences(max_input=15)
    assert [o.address for o in found.candidates("m", dear, {}, can_wait=True)] == ["half"]
    with pytest.raises(InputError, match=r"provider\.max_price"):
        found.candidates("m", dear, {})


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        ({}, ["a", "b", "c"]),
        ({"only": ("b", "x")}, ["b"]),
        ({"ignore": ("b",)}, ["a", "c"]),
        ({"order": ("c", "a")}, ["a", "b", "c"]),
        ({"order": ("c", "a"), "allow_fallbacks": False}, ["a", "c"]),
        ({"max_input": 11}, ["a", "b"]),
        ({"max_output": 10}, ["a"]),
        ({"min_bond": 5}, ["a", "b"]),
        ({"min_bond": 6}, ["b"]),
        ({"assurance": "clean"}, ["a", "c"]),
    ],
)
def test_wishes_narrow_the_choice(wishes: dict[str, Any], expected: list[str]) -> None:
    found = catalogue(offer("a"), offer("b", price=11), offer("c", price=12))
    assert names(found, **wishes) == expected


@pytest.mark.parametrize(
    ("wishes", "param"),
    [
        ({"only": ("x",)}, "only"),
        ({"order": ("x",), "allow_fallbacks": False}, "order"),
        ({"ignore": ("b",)}, "ignore"),
        ({"max_input": 9}, "max_price"),
        ({"min_bond": 10}, "min_bond"),
        ({"assurance": "clean"}, "assurance"),
    ],
)
def test_revert_wishes_that_nobody_meets(wishes: dict[str, Any], param: str) -> None:
    with pytest.raises(InputError) as caught:
        names(catalogue(offer("b")), **wishes)
    error = caught.value
    assert (error.code, error.status) == ("provider_not_found", 404)
    assert error.param == f"provider.{param}"


def test_an_embedding_has_no_price_of_output() -> None:
    embedding = replace(offer("a"), dimensions=3)
    assert names(catalogue(embedding), max_output=0) == ["a"]


def test_revert_an_unknown_model() -> None:
    with pytest.raises(InputError) as caught:
        catalogue(offer("a")).candidates("x", ANY, {})
    assert (caught.value.code, caught.value.status) == ("model_not_found", 404)


def test_revert_too_dear() -> None:
    with pytest.raises(InputError) as caught:
        names(catalogue(offer("a", price=101)))
    assert (caught.value.code, caught.value.status) == ("price", 503)


def test_a_provider_that_fell_silent_is_withdrawn() -> None:
    found = catalogue(offer("a"))
    assert found.stale(["http://a", "http://b"], now=1.0) == ["http://b"]
    assert found.stale(["http://a"], now=OFFER_SECONDS) == ["http://a"]
    found.missed("http://a", now=OFFER_SECONDS)
    assert names(found) == ["a"]  # once may be an accident
    assert found.stale(["http://a"], now=OFFER_SECONDS + SILENT_SECONDS) == ["http://a"]
    found.missed("http://a", now=OFFER_SECONDS)
    assert found.models() == {}
    assert refusal(found) == ("no_provider", 503)
    found.update("http://a", [offer("a")], now=OFFER_SECONDS)
    found.missed("http://a", now=OFFER_SECONDS)
    assert names(found) == ["a"]


def test_who_is_silent_is_not_said_not_to_exist() -> None:
    """A caller may come again: the wish can be met, or the model be served, by who is away."""
    found = catalogue(offer("a"), offer("b"))
    for _ in range(MISSES):
        found.missed("http://b", now=1.0)
    assert names(found) == ["a"]
    assert refusal(found, only=("b",)) == ("no_provider", 503)
    assert refusal(found, only=("b",), max_input=1) == ("provider_not_found", 404)
    assert refusal(found, only=("x",)) == ("provider_not_found", 404)
    fresh = catalogue(offer("a", model="n"))
    assert refusal(fresh) == ("model_not_found", 404)
    fresh.missed("http://b", now=1.0)
    assert refusal(fresh) == ("no_provider", 503)
    fresh.update("http://a", [offer("a")], now=1.0)
    assert refusal(fresh, only=("b",)) == ("no_provider", 503)
    own = catalogue(offer("a", model="n"), own=frozenset(("http://a",)))
    own.missed("http://b", now=1.0)
    assert refusal(own) == ("model_not_found", 404)


def test_nobody_waits_for_ever_for_who_is_silent() -> None:
    found = catalogue(offer("a"), offer("b"))
    for _ in range(GONE - 1):
        found.missed("http://b", now=1.0)
        found.missed("http://c", now=1.0)
    assert refusal(found, only=("b",)) == ("no_provider", 503)
    found.missed("http://b", now=1.0)
    found.missed("http://c", now=1.0)
    assert refusal(found, only=("b",)) == ("provider_not_found", 404)
    with pytest.raises(InputError) as caught:
        found.candidates("x", ANY, {})
    assert caught.value.code == "model_not_found"
    found.keep(["http://a"])
    assert not found.misses and found.heard() == {"a"}


def test_a_provider_that_offers_nothing_any_more_is_withdrawn_at_once() -> None:
    found = catalogue(offer("a"))
    found.update("http://a", [], now=1.0)
    assert found.models() == {}
    assert refusal(found) == ("no_provider", 503)


def test_a_provider_of_two_models() -> None:
    found = catalogue(offer("a"), offer("b"))
    found.update("http://a", [offer("a"), offer("a", model="n", price=5)], now=1.0)
    assert set(found.models()) == {"m", "n"}
    assert [o.price_input for o in found.candidates("n", ANY, {})] == [5]
    assert names(found) == ["a", "b"]


def test_a_stranger_gives_no_model_another_ones_name() -> None:
    own = frozenset(("http://a",))
    false = replace(offer("s", price=1), model_root=b"\x01" * 32)
    assert names(catalogue(offer("a"), false, own=own)) == ["a"]
    assert names(catalogue(offer("a"), offer("s"), own=own)) == ["a", "s"]
    assert catalogue(false, own=own).models() == {}


def test_a_stranger_serves_on_where_the_settings_providers_are_away() -> None:
    found = catalogue(offer("a"), offer("s"), own=frozenset(("http://a",)))
    found.update("http://a", [], now=1.0)
    assert names(found) == ["s"]


def test_who_left_is_forgotten() -> None:
    found = catalogue(offer("a"), offer("b"))
    found.keep(["http://b"])
    assert names(found) == ["b"]
    assert found.stale(["http://a"], now=0.0) == ["http://a"]
