"""Keys, channels, payments and limits over three gateway processes with one PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from base64 import b64decode, b64encode
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import httpx
import openai
import pytest
from sqlalchemy import Engine, insert, select, update

from assay.core.authorizations import Authorization, authorization_typed_data
from assay.core.database import open_database, reading, writing
from assay.core.signing import sign_voucher
from assay.core.vouchers import Voucher, day_of
from assay.core.wire import hexed
from assay.gateway.tables import REVISIONS, channel_days, reservations
from tests.integration.branch import PER_MINUTE, REPLICAS, Branch, Customer, bearer
from tests.integration.services import wait_for
from tests.integration.town import MODEL, PROMPT

get, post = partial(httpx.get, timeout=60), partial(httpx.post, timeout=60)


def error_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_a_wallet_buys_with_its_channel(branch: Branch) -> None:
    """From signature to voucher: what the receipts say is what is metered, shown and collected."""
    customer = branch.customer(micro_usd=1_000)
    customer.open_channel(1_000)
    key = customer.make_key(label="test")
    assert key["key"].startswith(key["prefix"])
    client = branch.client(key["key"])
    answer = client.completions.with_raw_response.create(
        model=MODEL, prompt=PROMPT, max_tokens=4, extra_body=branch.town.honest()
    )
    assert answer.headers["x-ratelimit-limit-requests"] == str(PER_MINUTE)
    assert int(answer.headers["x-ratelimit-remaining-requests"]) == PER_MINUTE - 1
    assert answer.headers["x-ratelimit-reset-tokens"].endswith("s")
    assert float(answer.headers["x-assay-overhead-ms"]) >= 0
    price = answer.parse().model_extra["assay"]["price_micro_usd"]  # type: ignore[index]
    assert price > 0
    for replica in range(REPLICAS):
        chat = branch.client(key["key"], replica).chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": PROMPT}], max_tokens=4,
            extra_body=branch.town.honest(), stream=True,
        )  # fmt: skip
        last = list(chat)[-1]
        price += last.model_extra["assay"]["price_micro_usd"]  # type: ignore[index]

    def collected() -> dict[str, Any] | None:
        found = customer.balance(replica=1)
        return found if found["channel"]["collected"] == price else None

    balance = wait_for(collected, 20, "the collection")
    assert balance["balances"] == {"channel": 1_000 - price, "prepaid": 0}
    assert balance["reserved"] == {"channel": 0, "prepaid": 0}
    assert balance["canConsume"] and balance["channel"]["delegated"]
    state = customer.network.ledger.channel_state(
        customer.address, branch.payee, day_of(customer.network.now())
    )
    assert state.collected_usdc == price
    for by, label in (("day", "day"), ("key", "key"), ("model", "model")):
        url = f"{branch.url(2)}/v1/billing/usage?by={by}"
        (row,) = get(url, headers=bearer(key["key"])).json()["data"]
        assert (row["requests"], row["price"]) == (REPLICAS + 1, price)
        assert label in row


def test_receipts_are_their_owners(branch: Branch) -> None:
    customer, stranger = branch.customer(micro_usd=100), branch.customer()
    customer.open_channel(100)
    mine, theirs = customer.make_key()["key"], stranger.make_key()["key"]
    answer = branch.ask(bearer(mine))
    assert answer.status_code == 200, answer.text
    url = f"{branch.url(1)}/v1/receipts/{answer.headers['x-assay-receipt']}"
    assert get(url, headers=bearer(mine)).json()["receipt"]["price"] > 0
    assert error_of(get(url, headers=bearer(theirs))) == (404, "receipt_not_found")
    assert error_of(get(url)) == (401, "invalid_api_key")


def test_revocation_and_rotation_are_seen_by_all(branch: Branch) -> None:
    customer = branch.customer(micro_usd=500)
    customer.open_channel(500)
    made = customer.make_key()
    for replica in range(REPLICAS):
        assert branch.ask(bearer(made["key"]), replica).status_code == 200
    url = f"{branch.url()}/v1/keys/{made['id']}/rotate"
    rotated = post(url, headers=bearer(made["key"])).json()
    for replica in range(REPLICAS):
        assert error_of(branch.ask(bearer(made["key"]), replica)) == (401, "invalid_api_key")
        assert branch.ask(bearer(rotated["key"]), replica).status_code == 200
    url = f"{branch.url(1)}/v1/keys/{made['id']}"
    gone = httpx.delete(url, headers=customer.authorization(), timeout=60)
    assert gone.json()["deleted"] is True
    for replica in range(REPLICAS):
        with pytest.raises(openai.AuthenticationError) as error:
            branch.client(rotated["key"], replica).completions.create(model=MODEL, prompt=PROMPT)
        assert error.value.code == "invalid_api_key"
    listed = get(f"{branch.url(2)}/v1/keys", headers=customer.authorization()).json()["data"]
    assert [key["revoked"] is not None for key in listed] == [True]


def test_concurrent_requests_never_overspend(branch: Branch) -> None:
    """All replicas at once, with money for a few: the channel ends within what it holds, and what
    was answered is what was metered."""
    customer = branch.customer(micro_usd=7)
    customer.open_channel(7)
    keys = [customer.make_key()["key"] for _ in range(2)]

    def ask(number: int) -> httpx.Response:
        return branch.ask(bearer(keys[number % 2]), number % REPLICAS, tokens=3)

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(ask, range(24)))
    codes = {answer.status_code for answer in answers}
    assert codes <= {200, 402, 503} and {200, 402} <= codes
    refused = [answer for answer in answers if answer.status_code == 402]
    for answer in refused:
        assert error_of(answer) == (402, "account_exhausted")
        assert answer.json()["error"]["type"] == "insufficient_quota"
        (terms,) = answer.json()["accepts"]
        assert (terms["payTo"], terms["scheme"]) == (branch.payee, "exact")
    prices = [a.json()["assay"]["price_micro_usd"] for a in answers if a.status_code == 200]
    balance = wait_for(
        lambda: ((b := customer.balance())["reserved"]["channel"] == 0 and b) or None, 30, "the end"
    )
    assert balance["channel"]["metered"] == sum(prices) <= 7


def test_the_first_burst_of_a_new_owner(branch: Branch) -> None:
    """Its channel is read once, and all wait for it: nobody is told that there is no money."""
    customer = branch.customer(micro_usd=500)
    customer.open_channel(500)
    key = customer.make_key()["key"]
    body = {"model": MODEL, "prompt": PROMPT, "max_tokens": 1, **branch.town.honest()}

    async def burst() -> list[httpx.Response]:
        async with httpx.AsyncClient(headers=bearer(key), timeout=60) as client:
            url = f"{branch.url()}/v1/completions"
            return await asyncio.gather(*(client.post(url, json=body) for _ in range(8)))

    codes = {answer.status_code for answer in asyncio.run(burst())}
    assert 200 in codes and codes <= {200, 503}


def test_an_exhausted_key_is_no_exhausted_account(branch: Branch) -> None:
    customer = branch.customer(micro_usd=500)
    customer.open_channel(500)
    capped, free = customer.make_key(daily_cap_micro_usd=1), customer.make_key()
    with pytest.raises(openai.APIStatusError) as error:
        branch.client(capped["key"]).completions.create(model=MODEL, prompt=PROMPT)
    assert (error.value.status_code, error.value.code) == (402, "key_exhausted")
    assert branch.ask(bearer(free["key"])).status_code == 200


def test_vouchers_that_the_owner_signs(branch: Branch) -> None:
    """Without a session key the owner spends as far as the highest voucher goes."""
    customer = branch.customer(micro_usd=500)
    customer.open_channel(500, delegated=False)
    key = customer.make_key()["key"]
    assert error_of(branch.ask(bearer(key))) == (402, "account_exhausted")
    terms = get(f"{branch.url()}/v1/billing/channel").json()
    assert (terms["payee"], terms["session_key"]) == (branch.payee, branch.payee)
    stranger = branch.customer()
    forged = post_voucher(branch, customer, 300, signer=stranger)
    assert error_of(forged) == (400, "invalid_voucher")
    assert post_voucher(branch, customer, 300).json()["ceiling"] == 300
    assert post_voucher(branch, customer, 200).json()["ceiling"] == 300
    for replica in range(REPLICAS):
        assert branch.ask(bearer(key), replica).status_code == 200
    balance = wait_for(
        lambda: ((b := customer.balance())["channel"]["collected"] and b) or None, 20, "collection"
    )
    metered = balance["channel"]["metered"]
    assert balance["channel"]["collected"] == 300 and not balance["channel"]["delegated"]
    assert balance["balances"]["channel"] == 300 - metered > 0


def post_voucher(
    branch: Branch, customer: Customer, cumulative: int, signer: Customer | None = None
) -> httpx.Response:
    network = customer.network
    voucher = Voucher(customer.address, branch.payee, day_of(network.now()), cumulative)
    account = (signer or customer).account
    signed = sign_voucher(account, voucher, network.chain_id, network.ledger.address)
    body = {**vars(voucher), "signature": hexed(signed.signature)}
    return post(f"{branch.url(1)}/v1/billing/vouchers", json=body)


def test_an_agent_pays_with_the_request(branch: Branch) -> None:
    """x402: neither key nor channel. A payment counts once; what is left stays the payer's."""
    customer = branch.customer(micro_usd=300_000)
    unpaid = branch.ask({})
    assert error_of(unpaid) == (402, "payment_required")
    (terms,) = unpaid.json()["accepts"]
    assert terms["resource"].endswith("/v1/completions")
    header = {"X-PAYMENT": payment(customer, terms)}
    before = customer.network.usdc.balance_of(branch.payee)
    with ThreadPoolExecutor(REPLICAS) as pool:
        answers = list(pool.map(lambda replica: branch.ask(header, replica), range(REPLICAS)))
    assert sorted(answer.status_code for answer in answers) == [200, 402, 402], answers[0].text
    (served,) = (answer for answer in answers if answer.status_code == 200)
    assert {error_of(a) for a in answers if a is not served} == {(402, "payment_replayed")}
    confirmed = json.loads(b64decode(served.headers["x-payment-response"]))
    assert (confirmed["success"], confirmed["payer"]) == (True, customer.address)
    value = int(terms["maxAmountRequired"])
    assert customer.network.usdc.balance_of(branch.payee) == before + value
    price = served.json()["assay"]["price_micro_usd"]
    assert customer.balance()["balances"] == {"channel": 0, "prepaid": value - price}
    key = customer.make_key()["key"]
    assert branch.ask(bearer(key)).status_code == 200
    assert error_of(branch.ask(header)) == (402, "payment_replayed")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"value": "99999"}, "payment_small"),
        ({"to": "0x" + "11" * 20}, "payment_invalid"),
        ({"validBefore": "1000"}, "payment_expired"),
        ({"nonce": "0x" + "00" * 32}, "payment_invalid"),
        ({"nonce": "0x"}, "malformed"),
        ({}, "payment_invalid"),
    ],
    ids=["small", "to another", "expired", "altered", "malformed", "no dollars"],
)
def test_revert_payments_that_are_none(branch: Branch, change: dict[str, str], code: str) -> None:
    customer = branch.customer()
    (terms,) = branch.ask({}).json()["accepts"]
    signed = payment(customer, terms, **change if "nonce" not in change else {})
    document = json.loads(b64decode(signed))
    document["payload"]["authorization"].update(change)
    header = {"X-PAYMENT": b64encode(json.dumps(document).encode()).decode()}
    answer = branch.ask(header)
    assert answer.json()["error"]["code"] == code, answer.text
    assert answer.status_code in (400, 402)


def payment(customer: Customer, terms: dict[str, Any], **changes: str) -> str:
    """The `X-PAYMENT` header for what a 402 asks."""
    now = customer.network.now()
    fields: dict[str, str] = {
        "from": customer.address,
        "to": terms["payTo"],
        "value": terms["maxAmountRequired"],
        "validAfter": str(now - 60),
        "validBefore": str(now + 600),
        "nonce": hexed(secrets.token_bytes(32)),
        **changes,
    }
    given = Authorization(
        fields["from"], fields["to"], int(fields["value"]), int(fields["validAfter"]),
        int(fields["validBefore"]), bytes.fromhex(fields["nonce"][2:]),
    )  # fmt: skip
    domain = (terms["extra"]["name"], terms["extra"]["version"])
    chain_id = customer.network.chain_id
    document = authorization_typed_data(given, domain, chain_id, terms["asset"])
    signature = customer.account.sign_typed_data(full_message=document).signature
    payload = {"signature": hexed(bytes(signature)), "authorization": fields}
    body = {"x402Version": 1, "scheme": "exact", "network": terms["network"], "payload": payload}
    return b64encode(json.dumps(body).encode()).decode()


def test_revert_signatures_of_others(branch: Branch) -> None:
    """A signature counts once, for its address, and only in the form that was signed."""
    customer, stranger = branch.customer(), branch.customer()
    signed = customer.signed_in()
    url = f"{branch.url(1)}/v1/keys"
    theirs = {**signed, "signature": stranger.signed_in()["signature"]}
    assert error_of(post(url, json=theirs)) == (401, "invalid_signature")
    assert post(url, json=signed).status_code == 201
    for replica in range(REPLICAS):
        again = post(f"{branch.url(replica)}/v1/keys", json=signed)
        assert error_of(again) == (401, "invalid_signature")


def test_a_hang_up_is_charged_all_the_same(branch: Branch) -> None:
    """The provider goes on and will be paid, so its answer is read to the end and kept."""
    customer = branch.customer(micro_usd=500)
    customer.open_channel(500)
    key = customer.make_key()["key"]
    body = {"model": MODEL, "prompt": PROMPT, "max_tokens": 100, "stream": True}
    url = f"{branch.url()}/v1/completions"
    with httpx.stream("POST", url, json=body, headers=bearer(key), timeout=60) as response:
        receipt = response.headers["x-assay-receipt"]
        next(response.iter_lines())
    balance = wait_for(
        lambda: ((b := customer.balance())["reserved"]["channel"] == 0 and b) or None, 30, "the end"
    )
    found = get(f"{branch.url(1)}/v1/receipts/{receipt}", headers=bearer(key)).json()
    assert balance["channel"]["metered"] == found["receipt"]["price"] > 0
    assert found["receipt"]["output_tokens"] > 1


def test_reservations_lapse_with_the_jobs_deadline(branch: Branch) -> None:
    """What a killed replica held back: charged if the provider has claimed, released if not."""
    customer = branch.customer(micro_usd=500)
    customer.open_channel(500)
    key = customer.make_key()["key"]
    engine = open_database(branch.database_url, REVISIONS)
    try:
        row = wait_for(lambda: _cut_off(branch, engine, key), 120, "a stream that was cut off")
        lost = {**row, "job_id": secrets.token_bytes(32), "deadline": 1}
        with writing(engine) as connection:
            held = channel_days.c.owner == customer.address
            more = channel_days.c.reserved + lost["from_channel"]
            connection.execute(update(channel_days).where(held).values(reserved=more))
            connection.execute(insert(reservations), [lost])
        wait_for(lambda: _posted(branch, row["job_id"]) or None, 60, "the claim")
        with writing(engine) as connection:
            at = reservations.c.job_id == row["job_id"]
            connection.execute(update(reservations).where(at).values(deadline=1))
    finally:
        engine.dispose()
    after = wait_for(
        lambda: ((b := customer.balance())["reserved"]["channel"] == 0 and b) or None, 60, "lapses"
    )
    rows = get(f"{branch.url()}/v1/billing/usage", headers=bearer(key)).json()["data"]
    assert after["channel"]["metered"] == sum(day["price"] for day in rows) > 0
    assert after["balances"]["channel"] == 500 - after["channel"]["metered"]


def _cut_off(branch: Branch, engine: Engine, key: str) -> dict[str, Any] | None:
    """Kill the replica after a stream's first event; what it leaves of a job, unless that was
    answered by then."""
    body = {"model": MODEL, "prompt": PROMPT, "max_tokens": 100, "stream": True}
    asked = {**body, **branch.town.honest()}
    url = f"{branch.url()}/v1/completions"
    with httpx.stream("POST", url, json=asked, headers=bearer(key), timeout=60) as response:
        job_id = bytes.fromhex(response.headers["x-assay-receipt"][2:])
        next(response.iter_lines())
        branch.replicas[0].kill()
    branch.replicas[0].start()
    branch.replicas[0].wait_ready()
    with reading(engine) as connection:
        at = reservations.c.job_id == job_id
        row = connection.execute(select(reservations).where(at)).mappings().first()
    return None if row is None else dict(row)


def _posted(branch: Branch, job_id: bytes) -> bool:
    """Whether the provider has put a job's claim on chain."""
    answer = get(f"{branch.town.provider.url}/v1/jobs/{hexed(job_id)}")
    return answer.status_code == 200 and bool(answer.json().get("batch"))


def test_health_and_metrics(branch: Branch) -> None:
    customer = branch.customer(micro_usd=100)
    customer.open_channel(100)
    assert branch.ask(bearer(customer.make_key()["key"])).status_code == 200
    for path in ("live", "ready", "models"):
        assert get(f"{branch.url()}/health/{path}").status_code == 200
    lines = get(f"{branch.url()}/metrics").text.splitlines()
    samples = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    label = f'{{model_name="{MODEL}"}}'
    count = int(samples[f"assay_time_to_first_token_seconds_count{label}"])
    assert count == int(
        samples[f'assay_time_to_first_token_seconds_bucket{label[:-1]},le="+Inf"}}']
    )
    assert count > 0 and float(samples[f"assay_generation_tokens_total{label}"]) >= count
    assert "assay_num_requests_running" in samples


def test_limits_are_shared(branch: Branch) -> None:
    """A key's minute is one minute, whichever replica counts; who has no key is told so."""
    customer = branch.customer(micro_usd=2_000)
    customer.open_channel(2_000)
    key = customer.make_key()["key"]
    begun = time.monotonic()

    def ask(number: int) -> httpx.Response:
        return branch.ask(bearer(key), number % REPLICAS, tokens=1)

    with ThreadPoolExecutor(9) as pool:
        answers = list(pool.map(ask, range(PER_MINUTE + 12)))
    drained = (time.monotonic() - begun) * PER_MINUTE / 60
    refused = [answer for answer in answers if answer.status_code == 429]
    served = [answer for answer in answers if answer.status_code == 200]
    assert 0 < len(served) <= PER_MINUTE + drained
    for answer in refused:
        assert error_of(answer) == (429, "rate_limit_exceeded")
        assert int(answer.headers["retry-after"]) >= 1
    assert refused and error_of(branch.ask(bearer("sk-assay-none"))) == (401, "invalid_api_key")
