"""Nodes that answer less than Anvil does, as public endpoints are."""

from __future__ import annotations

from typing import Any

from web3 import HTTPProvider, Web3
from web3.types import RPCEndpoint, RPCResponse


class LimitedProvider(HTTPProvider):
    """Knows no eth_simulateV1, and gives logs of at most `blocks` blocks at a time."""

    def __init__(self, url: str, blocks: int = 10_000) -> None:
        super().__init__(url)
        self.blocks = blocks

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        if method == "eth_simulateV1":
            return refusal(-32601, "the method eth_simulateV1 does not exist")
        if method == "eth_getLogs":
            first, last = (int(params[0][name], 16) for name in ("fromBlock", "toBlock"))
            if last - first >= self.blocks:
                return refusal(-32005, "block range too large")
        return super().make_request(method, params)


def refusal(code: int, message: str) -> RPCResponse:
    return {"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": message}}


def limited(url: str, blocks: int = 10_000) -> Web3:
    return Web3(LimitedProvider(url, blocks))
