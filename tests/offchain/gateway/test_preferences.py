"""The `provider` object of a request: every field, every refusal by its name."""

from __future__ import annotations

from typing import Any

import pytest

from assay.core.errors import InputError
from assay.gateway.routing.preferences import ANY, KNOWN, Preferences, parse_preferences

A, B = "0x" + "11" * 20, "0x" + "22" * 20


def test_default_behavior() -> None:
    nulls = dict.fromkeys(KNOWN)
    assert parse_preferences(None) == parse_preferences({}) == parse_preferences(nulls) == ANY


def test_every_field() -> None:
    given = {
        "order": [A], "only": [A, B], "ignore": [], "sort": "latency",
        "max_price": {"prompt": 0.5, "completion": "2"}, "allow_fallbacks": False,
        "require_parameters": True, "min_bond": "1.5", "assurance": "clean",
        "data_mode": "public",
    }  # fmt: skip
    assert set(given) == set(KNOWN)
    assert parse_preferences(given) == Preferences(
        order=(A,), only=(A, B), sort="latency", max_input=500_000, max_output=2_000_000,
        allow_fallbacks=False, min_bond=15 * 10**17, assurance="clean",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("value", "param"),
    [
        ([], "provider"),
        ("0x", "provider"),
        ({"quantizations": ["int8"]}, "provider.quantizations"),
        ({"only": []}, "provider.only"),
        ({"only": A}, "provider.only"),
        ({"order": ["openai"]}, "provider.order"),
        ({"ignore": [A] * 65}, "provider.ignore"),
        ({"sort": "speed"}, "provider.sort"),
        ({"sort": ["price"]}, "provider.sort"),
        ({"max_price": 1}, "provider.max_price"),
        ({"max_price": {"image": 1}}, "provider.max_price.image"),
        ({"max_price": {"prompt": -1}}, "provider.max_price.prompt"),
        ({"max_price": {"prompt": True}}, "provider.max_price.prompt"),
        ({"max_price": {"completion": "cheap"}}, "provider.max_price.completion"),
        ({"max_price": {"completion": float("inf")}}, "provider.max_price.completion"),
        ({"allow_fallbacks": "no"}, "provider.allow_fallbacks"),
        ({"require_parameters": 1}, "provider.require_parameters"),
        ({"min_bond": "1e99"}, "provider.min_bond"),
        ({"min_bond": float("nan")}, "provider.min_bond"),
        ({"assurance": "zk"}, "provider.assurance"),
        ({"data_mode": "private"}, "provider.data_mode"),
    ],
)
def test_refusals(value: Any, param: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_preferences(value)
    assert (caught.value.status, caught.value.param) == (400, param)
    assert param in caught.value.message
