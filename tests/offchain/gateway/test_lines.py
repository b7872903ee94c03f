"""Lines of a batch's input file: what is one, and what is wrong with each that is not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from assay.core.errors import InputError
from assay.gateway.batches.lines import (
    MAX_ERRORS,
    MAX_LINE_BYTES,
    MAX_LINES,
    LineChecker,
    split_lines,
)
from assay.gateway.batches.tasks import task_of

URL = "/v1/completions"
GOOD = {"custom_id": "a", "method": "POST", "url": URL, "body": {"model": "m", "prompt": "p"}}


def line(**changes: Any) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


def test_default_behavior() -> None:
    checker = LineChecker(URL)
    found = [checker.check(n, line(custom_id=str(n))) for n in (1, 2)]
    assert checker.check(3, b"  \r") is None
    checker.finish()
    assert [item.custom_id for item in found if item] == ["1", "2"]
    assert (checker.errors, checker.count) == ([], 2)


@pytest.mark.parametrize(
    ("text", "code", "param"),
    [
        (b"{", "invalid_json", None),
        (b"[]", "invalid_json", None),
        (b"\xff", "invalid_utf8", None),
        (line(custom_id=5), "invalid_value", "custom_id"),
        (line(custom_id=""), "invalid_value", "custom_id"),
        (line(custom_id="x" * 513), "invalid_value", "custom_id"),
        (line(custom_id="first"), "duplicate_custom_id", "custom_id"),
        (line(method="GET"), "invalid_value", "method"),
        (line(url="/v1/embeddings"), "mismatched_endpoint", "url"),
        (line(body=[]), "invalid_value", "body"),
        (b" " * MAX_LINE_BYTES + line(), "too_large", None),
    ],
)
def test_lines_that_are_wrong(text: bytes, code: str, param: str | None) -> None:
    checker = LineChecker(URL)
    assert checker.check(1, line(custom_id="first")) is not None
    assert checker.check(7, text) is None
    (error,) = checker.errors
    assert (error["code"], error["param"], error["line"]) == (code, param, 7)


def test_a_file_without_requests() -> None:
    checker = LineChecker(URL)
    checker.finish()
    assert [error["code"] for error in checker.errors] == ["empty_file"]


def test_too_many_requests_and_errors_are_bounded() -> None:
    checker = LineChecker(URL)
    checker.count = MAX_LINES - 1
    assert checker.check(1, line()) is not None
    for number in range(2 * MAX_ERRORS):
        checker.check(number, line(custom_id=str(number)))
    assert len(checker.errors) == MAX_ERRORS
    assert {error["code"] for error in checker.errors} == {"too_many_requests"}


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_lines_are_found_however_the_bytes_come(size: int) -> None:
    text = b"one\ntwo\n\nthree"

    async def parts() -> AsyncIterator[bytes]:
        for place in range(0, len(text), size):
            yield text[place : place + size]

    async def collect() -> list[bytes]:
        return [item async for item in split_lines(parts())]

    assert asyncio.run(collect()) == text.split(b"\n")


def test_a_line_that_never_ends_takes_no_memory() -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * (1 << 20)

    async def collect() -> list[bytes]:
        return [item async for item in split_lines(parts())]

    (only,) = asyncio.run(collect())
    assert MAX_LINE_BYTES < len(only) < MAX_LINE_BYTES + (2 << 20)


@pytest.mark.parametrize(
    ("endpoint", "body", "param"),
    [
        (URL, {"model": "m", "prompt": "p", "stream": True}, "stream"),
        (URL, {"model": "m", "prompt": ""}, "prompt"),
        ("/v1/chat/completions", {"model": "m", "messages": []}, "messages"),
        ("/v1/embeddings", {"model": "m", "input": "x", "temperature": 1}, "temperature"),
    ],
)
def test_bodies_are_refused_as_their_endpoints_do(
    endpoint: str, body: dict[str, Any], param: str
) -> None:
    with pytest.raises(InputError) as caught:
        task_of(endpoint, body)
    assert caught.value.param == param


def test_a_task_has_a_job_for_each_part() -> None:
    three = task_of(URL, {"model": "m", "prompt": "p", "n": 3, "seed": 5})
    assert len({job.seed for job in three.jobs}) == 3 and not three.embeds
    two = task_of("/v1/embeddings", {"model": "m", "input": ["x", "y"]})
    assert [job.prompt for job in two.jobs] == ["x", "y"] and two.embeds
