"""The consumer of a demonstration: plain HTTP against the gateway, as any OpenAI client does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx

from assay.core.errors import UpstreamError
from assay.demo.result import Served

TIMEOUT = httpx.Timeout(90.0, connect=5.0)


def ask(
    gateway_url: str,
    model: str,
    prompt: str,
    max_tokens: int,
    provider: str,
    show: Callable[[str], None],
) -> Served:
    """Stream a completion from one provider; `show` gets each piece of text as it comes."""
    body = {
        "model": model,
        "prompt": prompt,
        "max_tokens": max_tokens,
        "temperature": 0.7,
        "seed": 7,
        "stream": True,
        "stream_options": {"include_usage": True},
        "provider": {"only": [provider]},
    }
    start = time.monotonic()
    text = ""
    usage: dict[str, Any] = {}
    trust: dict[str, Any] = {}
    for chunk in _chunks(f"{gateway_url}/v1/completions", body):
        for choice in chunk.get("choices", ()):
            text += choice["text"]
            show(choice["text"])
        usage = chunk.get("usage") or usage
        trust = chunk.get("assay") or trust
    if not usage or not trust:
        raise UpstreamError(f"{gateway_url} ended the stream without usage and receipt")
    return Served(
        text=text,
        receipt_id=str(trust["receipt_id"]),
        provider=str(trust["provider"]),
        prompt_tokens=int(usage["prompt_tokens"]),
        output_tokens=int(usage["completion_tokens"]),
        price_micro_usd=int(trust["price_micro_usd"]),
        seconds=round(time.monotonic() - start, 3),
    )


def fetch_receipt(gateway_url: str, receipt_id: str, key: str | None = None) -> dict[str, Any]:
    """`GET /v1/receipts/{id}`, with the API key of whoever asked, where that had one."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    url = f"{gateway_url}/v1/receipts/{receipt_id}"
    try:
        response = httpx.get(url, headers=headers, timeout=TIMEOUT)
        answer = response.json()
    except (httpx.HTTPError, ValueError) as error:
        raise UpstreamError(f"{gateway_url} failed: {error!r}") from error
    if response.status_code != 200 or not isinstance(answer, dict):
        raise UpstreamError(f"{gateway_url} answered {response.status_code}: {answer}")
    return answer


def offered_providers(gateway_url: str) -> set[str]:
    """Addresses of the providers that the gateway can route to now."""
    try:
        models = httpx.get(f"{gateway_url}/v1/models", timeout=TIMEOUT).json()["data"]
        return {address for model in models for address in model["assay"]["providers"]}
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise UpstreamError(f"{gateway_url}/v1/models failed: {error!r}") from error


def healthy(url: str) -> bool:
    """Whether a service answers on /health."""
    try:
        return httpx.get(f"{url}/health", timeout=2.0).status_code == 200
    except httpx.HTTPError:
        return False


def _chunks(url: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The data events of a stream, without the closing [DONE]."""
    try:
        with httpx.stream("POST", url, json=body, timeout=TIMEOUT) as response:
            if response.status_code != 200:
                response.read()
                raise UpstreamError(f"{url} answered {response.status_code}: {response.text}")
            for line in response.iter_lines():
                if not line.startswith("data: ") or line == "data: [DONE]":
                    continue
                chunk = json.loads(line.removeprefix("data: "))
                if "error" in chunk:
                    raise UpstreamError(f"{url} failed: {chunk['error']}")
                yield chunk
    except (httpx.HTTPError, ValueError) as error:
        raise UpstreamError(f"{url} failed: {error!r}") from error
