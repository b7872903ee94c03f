"""Requests for embeddings: every form of input, and every refusal by its parameter."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import numpy as np
import pytest
from eth_account import Account

from assay.core.errors import InputError, UpstreamError
from assay.core.types import NONE, Model, Receipt
from assay.gateway.accounts.caller import Caller
from assay.gateway.answers import Served
from assay.gateway.desk import Prepared
from assay.gateway.embedding_requests import MAX_INPUTS, EmbeddingRequest, embedding_request
from assay.gateway.embeddings import _encoded, check_width
from assay.gateway.jobs import JobSigner, output_limit
from assay.gateway.routing.preferences import ANY
from assay.gateway.store import Answered
from assay.gateway.upstream import Offer

ENCODER = Model(1, *([bytes(32)] * 5), 10, 10, 1, 100, 16, 24, NONE, ())
DECODER = Model(1, *([bytes(32)] * 5), 10, 10, 1, 100, 16, 24, 0, ())


def request(**fields: Any) -> EmbeddingRequest:
    return embedding_request({"model": "m", "input": "text", **fields})


@pytest.mark.parametrize(
    ("given", "inputs"),
    [
        ("text", ("text",)),
        (["text"], ("text",)),
        (["one", "two"], ("one", "two")),
        ([1, 2, 3], ((1, 2, 3),)),
        ([[1, 2], [3]], ((1, 2), (3,))),
        (["one", [2**32 - 1]], ("one", (2**32 - 1,))),
        (["x"] * MAX_INPUTS, ("x",) * MAX_INPUTS),
        (list(range(5000)), (tuple(range(5000)),)),
    ],
)
def test_forms_of_input(given: Any, inputs: tuple[Any, ...]) -> None:
    asked = request(input=given)
    assert asked.inputs == inputs
    assert [job.prompt for job in asked.jobs()] == list(inputs)
    assert {(job.max_tokens, job.inv_temperature) for job in asked.jobs()} == {(1, 0)}


def test_defaults() -> None:
    asked = request(user="somebody", dimensions=None)
    assert (asked.encoding, asked.dimensions, asked.wishes) == ("float", None, ANY)


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"input": None}, "invalid_value", "input"),
        ({"input": {}}, "invalid_value", "input"),
        ({"input": True}, "invalid_value", "input"),
        ({"input": ""}, "empty_prompt", "input"),
        ({"input": []}, "empty_prompt", "input"),
        ({"input": [[1], []]}, "empty_prompt", "input[1]"),
        ({"input": [1, -1]}, "invalid_value", "input[0]"),
        ({"input": ["a", 1]}, "invalid_value", "input[1]"),
        ({"input": [[1, True]]}, "invalid_value", "input[0]"),
        ({"input": [[2**32]]}, "invalid_value", "input[0]"),
        ({"input": "\ud800"}, "invalid_utf8", "input"),
        ({"input": ["x"] * (MAX_INPUTS + 1)}, "invalid_value", "input"),
        ({"encoding_format": "hex"}, "invalid_value", "encoding_format"),
        ({"dimensions": "48"}, "invalid_value", "dimensions"),
        ({"dimensions": True}, "invalid_value", "dimensions"),
        ({"model": ""}, "invalid_value", "model"),
        ({"temperature": 1}, "unknown_parameter", "temperature"),
    ],
)
def test_refusals(fields: dict[str, Any], code: str, param: str) -> None:
    with pytest.raises(InputError) as caught:
        request(**fields)
    assert (caught.value.code, caught.value.param) == (code, param)


def test_a_text_may_fill_the_context() -> None:
    assert output_limit(1, 16, ENCODER, 64) == 1
    for tokens, code in ((17, "context_length_exceeded"), (0, "empty_prompt")):
        with pytest.raises(InputError) as caught:
            output_limit(1, tokens, ENCODER, 64)
        assert (caught.value.code, caught.value.param) == (code, "input")


@pytest.mark.parametrize(("model", "price"), [(ENCODER, 0), (DECODER, 7)])
def test_an_embedding_is_bought_by_its_prompt(model: Model, price: int) -> None:
    """Whatever its provider asks for output."""
    account = Account.from_key(bytes([7]) * 32)
    signer = JobSigner(account, 31337, "0x" + "99" * 20, 600, 64)
    offer = Offer("url", str(account.address), "m", bytes(32), 16, 10**6, 7, 0)
    job = signer.sign(request().jobs()[0], (1, 2, 3), model, offer, 0).job
    assert (job.price_output, job.max_output_tokens) == (price, 1)
    assert job.max_price == job.price(1)


def test_an_embedding_of_another_width_than_offered() -> None:
    offer = Offer("url", "0x", "m", bytes(32), 16, 1, 1, 0, dimensions=3)
    prepared = Prepared(request().jobs()[0], Caller("here"), (1,), ENCODER, (offer,))
    receipt = Receipt(bytes(32), bytes(32), 1, 1)

    def served(row: tuple[int, ...]) -> Served:
        signed: Any = None  # whose job it is does not matter
        return Served(signed, Answered(row, receipt, b""), ENCODER)

    check_width(served((1, 2, 3)), prepared)
    with pytest.raises(UpstreamError, match="of 2 elements came, 3 were offered"):
        check_width(served((1, 2)), prepared)


def test_floats_are_the_integers_in_both_encodings() -> None:
    """Up to a length of 1 a float32 holds 24 fraction bits exactly."""
    row = (2**24, -(2**24), 2**24 - 1, 1 - 2**24, 1, -1, 0)
    floats = _encoded(row, 24, "float")
    assert [value * 2**24 for value in floats if isinstance(value, float)] == list(row)
    packed = np.frombuffer(b64decode(str(_encoded(row, 24, "base64"))), dtype="<f4")
    assert (packed.astype(np.float64) * 2**24).tolist() == list(row)
