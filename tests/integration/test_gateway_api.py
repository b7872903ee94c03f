"""Whatever a request holds, the gateway answers it, in the shape that its API document promises."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error

from tests.integration.branch import Branch, bearer

KEY: dict[str, str] = {}


@pytest.fixture(scope="module")
def api(branch: Branch) -> Any:
    """The document of a running gateway; requests to it carry a key, so that they get inside."""
    KEY.update(bearer(branch.customer().make_key()["key"]))
    return schemathesis.openapi.from_url(f"{branch.url()}/openapi.json", timeout=60)


document = schemathesis.pytest.from_fixture("api")


@document.parametrize()
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_request_makes_it_fail(case: Any) -> None:
    headers = KEY if case.method != "GET" or case.path != "/health" else {}
    answer = case.call(headers=headers, timeout=60)
    case.validate_response(answer, checks=[not_a_server_error])
    if answer.status_code >= 400:
        error = answer.json()["error"]
        assert set(error) == {"message", "type", "code", "param"}, answer.text


def test_the_document_names_the_api(branch: Branch, api: Any) -> None:
    paths = {operation.ok().path for operation in api.get_all_operations()}
    assert {"/v1/keys", "/v1/completions", "/v1/billing/usage", "/health/ready"} <= paths
