"""Whole jobs: what the engine serves is right, and every way to claim something else is not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from assay.challenger.audit import audit
from assay.core.types import SamplingParams
from assay.core.wire import ClaimData
from assay.engine.encoder import Encoder
from assay.engine.importer import SHIPPED_MODEL, import_checkpoint
from assay.engine.tokenizer import Tokenizer
from assay.exact.encoder import EncoderModel
from assay.exact.model import ExactModel
from assay.trace.commitment import commit
from assay_verifier.claim import read_claim
from assay_verifier.errors import OtherClaim
from assay_verifier.verdict import Verdict, judge
from tests.offchain.verifier.both import MODELS, Both
from tests.support.claims import SALT, SEED, Claimed

Get = Callable[[str], Both]
DECODERS = [name for name in MODELS if name != "encoder"]
PROMPT = (17, 900, 4, 1050, 333)
WARM = 1 << 16


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Both:
    commitment = commit(import_checkpoint(SHIPPED_MODEL))
    return Both.exported(commitment, tmp_path_factory.mktemp("shipped"))


@pytest.fixture(scope="module")
def served(both_of: Get) -> Claimed:
    """A right claim about the plain model: 6 tokens, none of which ends the text."""
    claimed = answered(both_of("plain"), PROMPT, WARM, 6)
    assert len(claimed.output) == 6 and 0 not in claimed.output
    return claimed


def answered(both: Both, prompt: tuple[int, ...], inv_temperature: int, most: int) -> Claimed:
    """The engine's answer, as a claim."""
    params = SamplingParams(most, inv_temperature, SEED)
    output = tuple(both.engine.generate(prompt, params))
    return Claimed(both.commitment, prompt, output, inv_temperature, most)


def embedded(both: Both, prompt: tuple[int, ...]) -> Claimed:
    assert isinstance(both.commitment.model, EncoderModel)
    values = Encoder.ready(both.commitment.model).embed(prompt).tolist()
    return Claimed(both.commitment, prompt, tuple(values), max_tokens=1)


def verdict(claimed: Claimed | dict[str, Any], both: Both, folder: Path) -> Verdict:
    document = claimed.document() if isinstance(claimed, Claimed) else claimed
    (folder / "claim.json").write_text(json.dumps(document))
    return judge(read_claim(folder / "claim.json", None, None, None), both.model)


@pytest.mark.parametrize("inv_temperature", [0, 3 << 14])
def test_the_shipped_model_s_answers(shipped: Both, tmp_path: Path, inv_temperature: int) -> None:
    text = Tokenizer.of_checkpoint(SHIPPED_MODEL).encode("Return a list of the names in")
    claimed = answered(shipped, tuple(text), inv_temperature, 24)
    assert verdict(claimed, shipped, tmp_path) == Verdict(None, None, (), ())
    other = list(claimed.output)
    other[17] += 1
    found = verdict(replace(claimed, output=tuple(other)), shipped, tmp_path)
    assert (found.right, found.token) == (False, 17)


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("inv_temperature", [0, WARM])
def test_what_the_engine_serves_is_right(
    both_of: Get, tmp_path: Path, name: str, inv_temperature: int
) -> None:
    claimed = answered(both_of(name), PROMPT, inv_temperature, 50)
    assert len(claimed.output) == 50 and (not inv_temperature or len(set(claimed.output)) > 30)
    assert verdict(claimed, both_of(name), tmp_path) == Verdict(None, None, (), ())


def test_an_answer_that_ends(served: Claimed, both_of: Get, tmp_path: Path) -> None:
    model = both_of("plain").commitment.model
    assert isinstance(model, ExactModel)
    ends = (served.output[3],)
    ending = commit(replace(model, shape=replace(model.shape, eos_tokens=ends)))
    both = Both.exported(ending, tmp_path / "model")
    claimed = answered(both, PROMPT, WARM, 6)
    assert claimed.output == served.output[: served.output.index(ends[0]) + 1]
    assert verdict(claimed, both, tmp_path).right
    more = verdict(replace(claimed, output=(*claimed.output, 5)), both, tmp_path)
    assert (more.token, more.reason) == (len(claimed.output), "a token after the end of the text")
    less = verdict(replace(claimed, output=claimed.output[:-1]), both, tmp_path)
    assert (less.token, less.reason) == (len(claimed.output) - 2, "the output is cut short")


@pytest.mark.parametrize("place", range(6))
def test_a_wrong_token(served: Claimed, both_of: Get, tmp_path: Path, place: int) -> None:
    output = list(served.output)
    output[place] = (output[place] + 1) % 1100 or 1
    found = verdict(replace(served, output=tuple(output)), both_of("plain"), tmp_path)
    assert found.token == place
    assert found.reason == f"the token is {output[place]}, not {served.output[place]}"


@pytest.mark.parametrize(
    ("changes", "token", "reason"),
    [
        ({"max_tokens": 7}, 5, "cut short"),
        ({"max_tokens": 5}, 5, "more than the 5 tokens"),
        ({"max_tokens": 0}, 0, "more than the 0 tokens"),
        ({"job_changes": {"prompt_tokens": 4}}, 0, "the job says 4"),
        ({"receipt_changes": {"output_tokens": 5}}, 0, "the receipt says 5"),
        ({"inv_temperature": 0}, None, "the token is"),
        ({"job_changes": {"seed": bytes(32)}}, None, "the token is"),
    ],
)
def test_a_wrong_form_or_another_draw(
    served: Claimed,
    both_of: Get,
    tmp_path: Path,
    changes: dict[str, Any],
    token: int | None,
    reason: str,
) -> None:
    found = verdict(replace(served, **changes), both_of("plain"), tmp_path)
    assert found.reason is not None and reason in found.reason
    assert token is None or found.token == token


@pytest.mark.parametrize(
    ("output", "token", "reason"),
    [
        ((), 0, "no output"),
        ((1100,), 0, "outside the vocabulary"),
        ((2**32 - 1,), 0, "outside the vocabulary"),
    ],
)
def test_no_answer_of_the_model(
    both_of: Get, tmp_path: Path, output: tuple[int, ...], token: int, reason: str
) -> None:
    both = both_of("plain")
    found = verdict(Claimed(both.commitment, PROMPT, output, max_tokens=1), both, tmp_path)
    assert found.token == token and found.reason is not None and reason in found.reason


def test_an_early_lie_goes_before_a_late_fault(
    served: Claimed, both_of: Get, tmp_path: Path
) -> None:
    output = (served.output[0], 1, *served.output[2:4], 1100)
    assert served.output[1] != 1
    found = verdict(replace(served, output=output), both_of("plain"), tmp_path)
    assert (found.token, found.reason) == (1, f"the token is 1, not {served.output[1]}")


def test_the_context_is_a_limit(both_of: Get, tmp_path: Path) -> None:
    both = both_of("plain")
    both_short = Both(both.commitment, both.folder, replace(both.model, context_length=8))
    claimed = answered(both, PROMPT, 0, 4)
    assert verdict(claimed, both, tmp_path).right
    found = verdict(claimed, both_short, tmp_path)
    assert (found.token, found.reason) == (3, "more than the 3 tokens that job and context allow")


@pytest.mark.parametrize("length", [1, 4, 5, 6])
@pytest.mark.parametrize("most", [4, 5, 6])
def test_the_engine_s_auditor_finds_the_same_token(
    served: Claimed, both_of: Get, tmp_path: Path, length: int, most: int
) -> None:
    both = both_of("plain")
    for wrong in (None, 0, length - 1):
        output = list(served.output[:length])
        if wrong is not None:
            output[wrong] = 1099
        claimed = replace(served, output=tuple(output), max_tokens=most)
        data = ClaimData(
            bytes(32), 0, claimed.job, b"", claimed.receipt, (), PROMPT, tuple(output), SALT
        )
        finding = audit(data, both.commitment.header, both.engine)
        found = verdict(claimed, both, tmp_path)
        assert found.token == (None if finding is None else finding.token_index)


def test_embeddings(both_of: Get, tmp_path: Path) -> None:
    both = both_of("encoder")
    claimed = embedded(both, (5, 899, 3, 3, 77))
    assert verdict(claimed, both, tmp_path) == Verdict(None, None, (), ())
    values = list(claimed.output)
    values[20] += 1
    found = verdict(replace(claimed, output=tuple(values)), both, tmp_path)
    assert (found.token, found.reason) == (0, "another embedding")
    # What is shown as the output is not asked, only what the receipt says.
    shown = claimed.document() | {"output": [1, 2]}
    assert verdict(shown, both, tmp_path).right


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"receipt_changes": {"output_tokens": 2}}, "not one embedding"),
        ({"job_changes": {"max_output_tokens": 0}}, "none was asked for"),
        ({"job_changes": {"prompt_tokens": 2}}, "the job says 2"),
    ],
)
def test_embeddings_of_a_wrong_form(
    both_of: Get, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    both = both_of("encoder")
    found = verdict(replace(embedded(both, (5, 6, 7)), **changes), both, tmp_path)
    assert found.reason is not None and reason in found.reason


def test_an_embedding_longer_than_the_context(both_of: Get, tmp_path: Path) -> None:
    both = both_of("encoder")
    claimed = embedded(both, (5, 6, 7))
    both_short = Both(both.commitment, both.folder, replace(both.model, context_length=2))
    found = verdict(claimed, both_short, tmp_path)
    assert found.reason == "the prompt of 3 tokens is longer than 2"


def nested(name: str, field: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Changes a field of a part of the document."""
    return lambda document: document[name].update({field: value})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda d: d["prompt"].append(1), "prompt is not"),
        (lambda d: d["prompt"].reverse(), "prompt is not"),
        (lambda d: d.update(salt="0x" + "00" * 32), "prompt is not"),
        (lambda d: d["output"].append(1), "output is not"),
        (lambda d: d["output"].__setitem__(0, -1), "output is not"),
        (lambda d: d.update(chain_id=1), "job is not"),
        (lambda d: d.update(settlement="0x" + "cd" * 20), "job is not"),
        (nested("job", "max_output_tokens", 9), "job is not"),
        (nested("receipt", "price", 1), "not in the batch"),
        (nested("batch", "index", 3), "not in the batch"),
        (nested("batch", "index", 10), "not in the batch"),
        (nested("batch", "count", 9), "not in the batch"),
        (lambda d: d["batch"]["proof"].pop(), "not in the batch"),
        (lambda d: d.update(receipt_signature=d["signature"]), "not signed by"),
        (lambda d: d.update(receipt_signature="0x00"), "not signed by"),
    ],
)
def test_parts_of_another_claim(
    served: Claimed,
    both_of: Get,
    tmp_path: Path,
    change: Callable[[dict[str, Any]], None],
    why: str,
) -> None:
    document = served.document()
    assert verdict(document, both_of("plain"), tmp_path).right
    change(document)
    with pytest.raises(OtherClaim, match=why):
        verdict(document, both_of("plain"), tmp_path)


def test_another_model(served: Claimed, both_of: Get, tmp_path: Path) -> None:
    with pytest.raises(OtherClaim, match="the job is of model 0x"):
        verdict(served, both_of("every feature"), tmp_path)


@pytest.mark.parametrize("prompt", [(), (1100,)])
def test_a_prompt_that_no_model_reads(
    both_of: Get, tmp_path: Path, prompt: tuple[int, ...]
) -> None:
    both = both_of("plain")
    with pytest.raises(OtherClaim, match="vocabulary"):
        verdict(Claimed(both.commitment, prompt, (5,)), both, tmp_path)


def test_what_would_not_be_paid(served: Claimed, both_of: Get, tmp_path: Path) -> None:
    """Is said beside the verdict, which it does not change."""
    price = served.receipt.price
    dear = replace(served, receipt_changes={"price": price + 1})
    found = verdict(dear, both_of("plain"), tmp_path)
    assert found.right and found.unpaid == (f"the price is {price + 1}, not {price}",)
    capped = replace(served, job_changes={"max_price": 1})
    assert verdict(capped, both_of("plain"), tmp_path).unpaid == (
        f"the price {price} is above the cap of 1",
    )
    document = served.document()
    document["signature"] = document["receipt_signature"]
    found = verdict(document, both_of("plain"), tmp_path)
    assert found.right and "signed by no key" in found.unpaid[0]
