"""Files and batches by the unmodified OpenAI client, and what a killed gateway leaves of them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai.types import Batch

from assay.core.types import SamplingParams
from assay.gateway.batches.files import MAX_FILE_BYTES
from assay.gateway.batches.rows import State
from tests.integration.conftest import Shipped
from tests.integration.services import Running, running, wait_for
from tests.integration.town import MODEL, PROMPT, Town

URL = "/v1/completions"


@dataclass(frozen=True)
class Bureau:
    """A gateway of its own, before the town's honest provider."""

    town: Town
    gateway: Running
    client: openai.OpenAI

    def start(self, *lines: dict[str, Any] | bytes, endpoint: str = URL) -> Batch:
        """A batch of these lines."""
        written = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
        file = self.client.files.create(file=("in.jsonl", b"\n".join(written)), purpose="batch")
        made: Any = self.client.batches.create  # the endpoint is one of several literals
        batch: Batch = made(
            input_file_id=file.id,
            endpoint=endpoint,
            completion_window="24h",
            metadata={"name": "nightly"},
        )
        return batch

    def when(self, batch: Batch, *statuses: str, seconds: float = 60) -> Batch:
        def look() -> Batch | None:
            found = self.client.batches.retrieve(batch.id)
            return found if found.status in statuses else None

        return wait_for(look, seconds, f"a batch that is {statuses}")

    def lines(self, file_id: str | None) -> dict[str, Any]:
        """Lines of an output or error file by their custom ids."""
        assert file_id is not None
        found = [json.loads(line) for line in self.client.files.content(file_id).text.splitlines()]
        by_id = {line["custom_id"]: line for line in found}
        assert len(by_id) == len(found)
        return by_id

    def claims(self) -> int:
        """Jobs that the provider has finished."""
        counts = httpx.get(f"{self.town.provider.url}/health", timeout=60).json()["claims"]
        return sum(counts.values())

    def stored(self, batch: Batch) -> tuple[str, int]:
        """Its status and its answered lines in the gateway's file, whether it runs or not."""
        place = self.gateway.folder / "data" / "gateway.db"
        status = "SELECT status FROM batches WHERE batch_id = ?"
        lines = "SELECT count(*) FROM batch_lines WHERE batch_id = ? AND state = ?"
        with closing(sqlite3.connect(f"{place.as_uri()}?mode=ro", uri=True)) as books:
            (found,) = books.execute(status, (batch.id,)).fetchone()
            (answered,) = books.execute(lines, (batch.id, State.ANSWERED)).fetchone()
        return found, answered


def request(number: int, **changes: Any) -> dict[str, Any]:
    body = {"model": MODEL, "prompt": f"{PROMPT} {number}", "max_tokens": 4, "temperature": 0}
    line = {"custom_id": f"line {number}", "method": "POST", "url": URL}
    return line | {"body": body | changes}


@pytest.fixture(scope="module")
def bureau(town: Town, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bureau]:
    folder: Path = tmp_path_factory.mktemp("bureau")
    town.arena.add_bond("honest provider", claims=400)  # each answer locks a part until it is paid
    command = ["gateway", "serve"]
    with running(
        lambda: Running(town.arena, folder, command, "consumer", provider_urls=town.provider.url)
    ) as (gateway,):
        url = f"{gateway.url}/v1"
        with openai.OpenAI(base_url=url, api_key="none", max_retries=2) as client:
            yield Bureau(town, gateway, client)


def test_files(bureau: Bureau) -> None:
    content = json.dumps(request(1)).encode()
    files = bureau.client.files
    file = files.create(file=("folder/in.jsonl", content), purpose="batch")
    assert (file.filename, file.bytes, file.purpose) == ("in.jsonl", len(content), "batch")
    assert files.retrieve(file.id) == file
    assert files.content(file.id).read() == content
    assert next(item.id for item in files.list(purpose="batch", limit=1)) == file.id
    assert files.delete(file.id).deleted
    with pytest.raises(openai.NotFoundError) as caught:
        files.retrieve(file.id)
    assert caught.value.code == "file_not_found"
    with pytest.raises(openai.BadRequestError) as refused:
        files.create(file=("in.jsonl", content), purpose="vision")
    assert refused.value.param == "purpose"


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        ({"content-type": "application/json"}, b"{}", 400, "invalid_form"),
        ({"content-type": "multipart/form-data"}, b"x", 400, "invalid_form"),
        ({"content-type": "multipart/form-data; boundary=b"}, b"garbage", 400, "invalid_form"),
        (
            {"content-type": "multipart/form-data; boundary=b"},
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\ncut off',
            400,
            "invalid_form",
        ),
        (
            {"content-type": "multipart/form-data; boundary=b"},
            b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--b--\r\n',
            400,
            "invalid_value",
        ),
    ],
    ids=["json", "no boundary", "garbage", "cut off", "no file"],
)
def test_forms_that_are_none(
    bureau: Bureau, headers: dict[str, str], body: bytes, status: int, code: str
) -> None:
    before = len(bureau.client.files.list().data)
    response = httpx.post(
        f"{bureau.gateway.url}/v1/files", content=body, headers=headers, timeout=60
    )
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert len(bureau.client.files.list().data) == before


def test_a_file_that_is_too_long(bureau: Bureau) -> None:
    content = bytes(MAX_FILE_BYTES + 1)
    with pytest.raises(openai.APIStatusError) as caught:
        bureau.client.with_options(max_retries=0).files.create(
            file=("in.jsonl", content), purpose="batch"
        )
    assert (caught.value.status_code, caught.value.code) == (413, "too_large")


def test_a_kill_in_the_middle_pays_no_line_twice(bureau: Bureau, shipped: Shipped) -> None:
    """Right lines are answered, wrong ones are reported, each once, and each answer has its own
    receipt: as many jobs as answers."""
    good, tokens = 120, 100  # many seconds of work, of which the kill may come in any
    wrong = [request(200, top_p=0.5), request(201, model="gpt-9"), request(202, stream=True)]
    before = bureau.claims()
    lines = [request(number, max_tokens=tokens) for number in range(good)]
    batch = bureau.start(*lines, *wrong)
    assert batch.metadata == {"name": "nightly"}

    def is_under_way() -> bool | None:
        counts = bureau.client.batches.retrieve(batch.id).request_counts
        return (counts is not None and counts.completed > 4) or None

    wait_for(is_under_way, 60, "the first answers")
    bureau.gateway.kill()
    status, answered = bureau.stored(batch)
    assert status == "in_progress" and 0 < answered < good
    bureau.gateway.start()
    bureau.gateway.wait_ready()
    done = bureau.when(batch, "completed", seconds=180)
    assert done.request_counts is not None and done.completed_at is not None
    counts = done.request_counts
    assert (counts.total, counts.completed, counts.failed) == (good + 3, good, 3)

    answers = bureau.lines(done.output_file_id)
    assert set(answers) == {f"line {number}" for number in range(good)}
    receipts = {line["response"]["body"]["assay"]["receipt_id"] for line in answers.values()}
    assert len(receipts) == good == bureau.claims() - before
    for number in (0, good // 2, good - 1):
        response = answers[f"line {number}"]["response"]
        prompt = shipped.tokenizer.encode(f"{PROMPT} {number}")
        output = list(shipped.engine.generate(prompt, SamplingParams(tokens)))
        assert response["status_code"] == 200
        assert response["body"]["choices"][0]["text"] == shipped.tokenizer.decode(output)

    failed = bureau.lines(done.error_file_id)
    statuses = {key: line["response"]["status_code"] for key, line in failed.items()}
    assert statuses == {"line 200": 400, "line 201": 404, "line 202": 400}
    assert failed["line 200"]["response"]["body"]["error"]["param"] == "top_p"


def test_a_cancelled_batch_keeps_what_it_has(bureau: Bureau) -> None:
    lines = 400
    batch = bureau.start(*(request(number) for number in range(lines)))
    bureau.when(batch, "in_progress")
    assert bureau.client.batches.cancel(batch.id).status == "cancelling"
    done = bureau.when(batch, "cancelled")
    counts = done.request_counts
    assert counts is not None and counts.total == lines and counts.completed < lines
    answered = bureau.lines(done.output_file_id) if done.output_file_id else {}
    assert len(answered) == counts.completed
    left = bureau.lines(done.error_file_id)
    assert {line["error"]["code"] for line in left.values()} == {"batch_cancelled"}
    assert len(left) == lines - counts.completed


def test_a_chat_batch_and_the_list(bureau: Bureau) -> None:
    message = {"role": "user", "content": PROMPT}
    body = {"model": MODEL, "messages": [message], "max_tokens": 3, "n": 2, "seed": 5}
    line = {"custom_id": "chat", "method": "POST", "url": "/v1/chat/completions", "body": body}
    batch = bureau.start(line, endpoint="/v1/chat/completions")
    done = bureau.when(batch, "completed")
    answer = bureau.lines(done.output_file_id)["chat"]["response"]["body"]
    assert [choice["message"]["role"] for choice in answer["choices"]] == ["assistant"] * 2
    assert len(answer["assay"]["receipts"]) == 2
    assert done.error_file_id is None
    page = bureau.client.batches.list(limit=1)
    assert [item.id for item in page.data] == [batch.id] and page.has_more


def test_a_file_with_errors_runs_nothing(bureau: Bureau) -> None:
    before = bureau.claims()
    batch = bureau.start(request(1), b"nonsense", request(1), request(2) | {"url": "/v1/models"})
    done = bureau.when(batch, "failed")
    assert done.errors is not None and done.errors.data is not None
    assert [(error.line, error.code) for error in done.errors.data] == [
        (2, "invalid_json"), (3, "duplicate_custom_id"), (4, "mismatched_endpoint"),
    ]  # fmt: skip
    assert bureau.claims() == before


def test_revert_batches_that_are_none(bureau: Bureau) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        bureau.client.batches.retrieve("batch_nothing")
    assert caught.value.code == "batch_not_found"
    with pytest.raises(openai.NotFoundError) as missing:
        bureau.client.batches.create(
            input_file_id="file-nothing", endpoint=URL, completion_window="24h"
        )
    assert missing.value.code == "file_not_found"
