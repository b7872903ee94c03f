"""The day on paper: its sums follow from its units, and the kept document is what they give."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from scripts.sim import measured, rows, scale
from scripts.sim.scale import Load
from scripts.sim.scenario import LAYER_1, ROLLUP

LOAD = Load()


def test_the_kept_document_is_what_the_units_give() -> None:
    """But for what a benchmark of the gateway adds."""
    kept = json.loads((scale.RESULTS / "scale.json").read_text())
    found = json.loads(json.dumps(scale.document(LOAD)))
    for document in (kept, found):
        document["service"] = {k: v for k, v in document["service"].items() if "gateway" not in k}
    assert kept == found


def test_payments_of_claims_are_nearly_all_of_the_gas() -> None:
    """So the size of a claim decides, and hardly anything else."""
    by_what = {item.what: item.gas for item in scale.items(LOAD)}
    claims = LOAD.tokens / LOAD.claim_tokens
    assert by_what["pay 16 claims"] == pytest.approx(claims * measured.unit_gas().pay)
    assert by_what["pay 16 claims"] > 0.95 * sum(by_what.values())


def test_a_claim_must_be_large_enough_for_its_chain() -> None:
    """At the least size paying takes the stated share of sales; half of it does not carry."""
    for chain in (ROLLUP, LAYER_1):
        least = scale.least_claim(LOAD, chain)
        load = replace(LOAD, claim_tokens=round(least))
        paid = chain.usd(load.claims * measured.unit_gas().pay, chain.busy_gwei)
        assert paid == pytest.approx(scale.SHARE * load.sales_usd, rel=1e-3)
        assert not scale.day(replace(LOAD, claim_tokens=round(least / 2)), chain)["carries"]
    assert scale.least_claim(LOAD, LAYER_1) == pytest.approx(
        scale.least_claim(LOAD, ROLLUP) * LAYER_1.busy_gwei / ROLLUP.busy_gwei
    )


def test_each_provider_posts_once_a_day_at_least() -> None:
    assert replace(LOAD, tokens=1e6).batches == LOAD.providers
    assert LOAD.batches == 3 * LOAD.providers  # 2,250 claims of each


def test_gateways_follow_from_the_busiest_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured, "gateway_requests", lambda: 100.0)
    found = scale.served(LOAD)
    busiest = LOAD.peak * LOAD.claims / 86_400
    assert found["gateway_replicas"] == -(-busiest // 100)
    monkeypatch.setattr(measured, "gateway_requests", lambda: None)
    assert scale.served(LOAD)["gateways"] == "not measured yet"


def test_rows_of_a_claim_are_counted_from_an_index() -> None:
    """A small run gives the kept rows: they do not depend on the machine."""
    found, kept = rows.measure(2_000), rows.kept()
    assert found["rows_per_claim"] == pytest.approx(kept["rows_per_claim"], rel=0.01)
    assert found["bytes_per_claim"] == pytest.approx(kept["bytes_per_claim"], rel=0.15)
