"""The connection to a node, with every transport failure turned into `NodeUnavailable`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import requests
from web3 import HTTPProvider, Web3
from web3._utils.rpc_abi import RPC
from web3.exceptions import ProviderConnectionError, RequestTimedOut
from web3.providers.rpc.utils import ExceptionRetryConfiguration

from assay.core.errors import NodeUnavailable

RETRIES = 3
BACKOFF_SECONDS = 0.2


def connect(rpc_url: str, timeout_seconds: float = 10.0) -> Web3:
    """A client whose reads are retried a few times; raises NodeUnavailable if nothing answers."""
    retry = ExceptionRetryConfiguration(
        errors=(requests.ConnectionError, requests.Timeout),
        retries=RETRIES,
        backoff_factor=BACKOFF_SECONDS,
    )
    web3 = Web3(
        HTTPProvider(
            rpc_url,
            request_kwargs={"timeout": timeout_seconds},
            exception_retry_configuration=retry,
            # web3 asks for it before every call.
            cache_allowed_requests=True,
            cacheable_requests={RPC.eth_chainId},
        )
    )
    with node_errors(rpc_url):
        web3.eth.chain_id  # noqa: B018  # the first call proves that somebody is there
    return web3


@contextmanager
def node_errors(rpc_url: str) -> Iterator[None]:
    """Turn transport errors raised inside into NodeUnavailable."""
    try:
        yield
    except (
        requests.RequestException,
        ProviderConnectionError,
        RequestTimedOut,
        ConnectionError,
    ) as error:
        raise NodeUnavailable(
            f"the node at {rpc_url} does not answer ({type(error).__name__}); "
            "check that it runs and that ASSAY_RPC_URL is right"
        ) from error


def url_of(web3: Web3) -> str:
    """The endpoint of a client, for messages."""
    return str(getattr(web3.provider, "endpoint_uri", "?"))
