"""Lists that come page by page, as OpenAI's do: `limit`, `order`, `after`. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assay.gateway.fields import bad_value


def page_limit(given: Mapping[str, str], default: int, highest: int) -> int:
    value = given.get("limit", str(default))
    if not (value.isascii() and value.isdigit() and 1 <= int(value[:9]) <= highest):
        raise bad_value("limit", f"expected an integer from 1 to {highest}")
    return int(value)


def is_newest(given: Mapping[str, str]) -> bool:
    """Whether the newest comes first."""
    order = given.get("order", "desc")
    if order not in ("asc", "desc"):
        raise bad_value("order", "expected asc or desc")
    return order == "desc"


def page(found: Sequence[dict[str, Any]], limit: int) -> dict[str, Any]:
    """The list object of the first `limit`; whether there are more, `found` shows."""
    data = list(found[:limit])
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": len(found) > limit,
    }
