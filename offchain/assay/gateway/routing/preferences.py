"""The request's `provider` object: OpenRouter's names, and ours on trust. No I/O.

order             addresses to try first, in this order
only, ignore      addresses that may serve; that may not
sort              "price", "throughput" or "latency" instead of the weighted choice
max_price         {"prompt", "completion"}: dollars per million tokens
allow_fallbacks   false: one provider is tried, or those of `order`, and no other
require_parameters  no effect: all providers of a model compute the same function
min_bond          ASSAY that the provider has bonded, at least
assurance         "bonded" (any), or "clean": no claim of the provider was ever convicted
data_mode         "public": prompt and answer are shown to whoever recomputes the claim
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, get_args

from assay.core.errors import InputError
from assay.core.wire import parse_address
from assay.gateway.fields import bad_value

Sort = Literal["price", "throughput", "latency"]
Assurance = Literal["bonded", "clean"]

MICRO_USD = 1_000_000
ASSAY_UNITS = 10**18
MAX_AMOUNT = Decimal(10**12)
MAX_PROVIDERS = 64
"""Addresses in one list."""
KNOWN = (
    "order", "only", "ignore", "sort", "max_price", "allow_fallbacks", "require_parameters",
    "min_bond", "assurance", "data_mode",
)  # fmt: skip


@dataclass(frozen=True)
class Preferences:
    """What a caller asks of the provider.

    Attributes:
        order: tried first, in this order; without fallbacks, alone.
        only: None for any.
        max_input, max_output: micro-USD per million tokens; None for the gateway's own limit.
        min_bond: in units of ASSAY (10⁻¹⁸).
    """

    order: tuple[str, ...] = ()
    only: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    sort: Sort | None = None
    max_input: int | None = None
    max_output: int | None = None
    allow_fallbacks: bool = True
    min_bond: int = 0
    assurance: Assurance = "bonded"


ANY = Preferences()


def parse_preferences(value: object) -> Preferences:
    """The `provider` object of a request; InputError names the field that is wrong."""
    if value is None:
        return ANY
    if not isinstance(value, Mapping):
        raise bad_value("provider", 'expected an object such as {"only": ["0x…"]}')
    for key in value:
        if key not in KNOWN:
            raise InputError(
                f"provider.{key} is not supported; use {', '.join(KNOWN)}",
                code="unsupported_parameter",
                param=f"provider.{key}",
            )
    given = {key: item for key, item in value.items() if item is not None}
    _flag(given, "require_parameters", False)
    _word(given, "data_mode", ("public",), "public")
    price = _max_price(given.get("max_price", {}))
    return Preferences(
        order=_addresses(given, "order"),
        only=_only(given),
        ignore=_addresses(given, "ignore"),
        sort=_word(given, "sort", get_args(Sort), None),
        max_input=price.get("prompt"),
        max_output=price.get("completion"),
        allow_fallbacks=_flag(given, "allow_fallbacks", True),
        min_bond=_amount(given.get("min_bond", 0), "provider.min_bond", ASSAY_UNITS),
        assurance=_word(given, "assurance", get_args(Assurance), "bonded"),
    )


def _only(given: Mapping[str, Any]) -> tuple[str, ...] | None:
    if "only" not in given:
        return None
    found = _addresses(given, "only")
    if not found:
        raise bad_value("provider.only", "expected a list of at least one address")
    return found


def _addresses(given: Mapping[str, Any], key: str) -> tuple[str, ...]:
    name, value = f"provider.{key}", given.get(key, [])
    if not isinstance(value, list) or len(value) > MAX_PROVIDERS:
        raise bad_value(name, f"expected a list of at most {MAX_PROVIDERS} addresses")
    return tuple(parse_address(address, name) for address in value)


def _max_price(value: object) -> dict[str, int]:
    if not isinstance(value, Mapping):
        raise bad_value("provider.max_price", 'expected {"prompt": …, "completion": …}')
    for key in value:
        if key not in ("prompt", "completion"):
            raise InputError(
                f"provider.max_price.{key} is not supported; use prompt and completion",
                code="unsupported_parameter",
                param=f"provider.max_price.{key}",
            )
    return {
        str(key): _amount(item, f"provider.max_price.{key}", MICRO_USD)
        for key, item in value.items()
        if item is not None
    }


def _amount(value: object, name: str, unit: int) -> int:
    """A number, or its decimal text, in units: rounded down."""
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise InvalidOperation
        number = Decimal(str(value))
        if not (number.is_finite() and 0 <= number <= MAX_AMOUNT):
            raise InvalidOperation
    except (InvalidOperation, ValueError) as error:
        raise bad_value(name, f"expected a number from 0 to {MAX_AMOUNT}") from error
    return int(number * unit)


def _flag(given: Mapping[str, Any], key: str, default: bool) -> bool:
    value = given.get(key, default)
    if not isinstance(value, bool):
        raise bad_value(f"provider.{key}", "expected true or false")
    return value


def _word(given: Mapping[str, Any], key: str, words: tuple[str, ...], default: str | None) -> Any:
    value = given.get(key, default)
    if value is not None and value not in words:
        raise bad_value(f"provider.{key}", f"expected one of {', '.join(words)}")
    return value
