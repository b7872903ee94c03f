"""JSON forms: they come back as they were, and nothing malformed gets in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from eth_utils.address import to_checksum_address

from assay.core.errors import InputError
from assay.core.types import Job, Receipt
from assay.core.wire import ClaimData, parse_job, parse_receipt, to_json

ADDRESS = to_checksum_address("0x" + "ab" * 20)
JOB = Job(
    bytes([1]) * 32, ADDRESS, ADDRESS, bytes([2]) * 32, 3, 4, 2**64 - 1, bytes([5]) * 32,
    6, 7, 2**256 - 1, 8, 9, bytes([10]) * 32,
)  # fmt: skip
RECEIPT = Receipt(bytes([1]) * 32, bytes([2]) * 32, 3, 4)


def test_round_trip() -> None:
    assert parse_job(json.loads(json.dumps(to_json(JOB)))) == JOB
    assert parse_receipt(json.loads(json.dumps(to_json(RECEIPT)))) == RECEIPT
    data = ClaimData(
        bytes(32), 5, JOB, b"sig", RECEIPT, (bytes(32),), (1, 2), (3,), bytes([9]) * 32
    )
    assert ClaimData.parse(json.loads(json.dumps(data.to_json()))) == data


def test_the_integers_of_an_embedding() -> None:
    row = (-(2**31), 2**31 - 1, 0)
    data = ClaimData(bytes(32), 5, JOB, b"", RECEIPT, (), (1, 2), row, bytes(32))
    value = json.loads(json.dumps(data.to_json()))
    assert ClaimData.parse(value) == data
    assert ClaimData.parse({**value, "output": [str(n) for n in row]}) == data


@pytest.mark.parametrize("item", [-(2**31) - 1, 2**32, 1.0, True, None, "--1", "-", "0x1"])
def test_revert_an_output_of_other_integers(item: object) -> None:
    data = ClaimData(bytes(32), 5, JOB, b"", RECEIPT, (), (1, 2), (3,), bytes(32)).to_json()
    with pytest.raises(InputError, match=r"output\[1\]"):
        ClaimData.parse({**data, "output": [3, item]})


def test_big_integers_may_be_strings() -> None:
    assert parse_job({**to_json(JOB), "max_price": str(2**256 - 1)}) == JOB


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model_root", "0x00"),
        ("model_root", "zz"),
        ("model_root", 5),
        ("consumer", "0x1234"),
        ("prompt_tokens", 2**32),
        ("prompt_tokens", -1),
        ("prompt_tokens", 1.5),
        ("prompt_tokens", True),
        ("prompt_tokens", "٣"),
        ("data_mode", 256),
    ],
)
def test_revert_field(field: str, value: Any) -> None:
    with pytest.raises(InputError) as caught:
        parse_job({**to_json(JOB), field: value})
    assert caught.value.param == f"job.{field}"


def test_revert_missing_and_unknown_fields() -> None:
    short = to_json(JOB)
    del short["nonce"]
    with pytest.raises(InputError, match="missing"):
        parse_job(short)
    with pytest.raises(InputError, match="unknown"):
        parse_job({**to_json(JOB), "extra": 1})


@pytest.mark.parametrize("value", [None, [], "x", {}, {"batch_id": "0x"}])
def test_revert_claim(value: object) -> None:
    with pytest.raises(InputError):
        ClaimData.parse(value)
