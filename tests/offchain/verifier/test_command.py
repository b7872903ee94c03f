"""The command: its exit codes, what it prints, the forms of claims that it reads."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import _hash_eip191_message, encode_typed_data
from typer.testing import CliRunner

from assay.cli import model as cli
from assay.core.errors import InputError
from assay.core.hashes import job_typed_data
from assay.core.signing import receipt_typed_data
from assay.core.wire import ClaimData, hexed
from assay.trace.export import write_model
from assay_verifier.__main__ import main
from assay_verifier.model import read_model
from assay_verifier.signatures import ORDER, signer
from tests.offchain.verifier.both import Both
from tests.support.claims import (
    CHAIN_ID,
    CONSUMER,
    INDEX,
    PROVIDER,
    SALT,
    SETTLEMENT,
    Claimed,
)

Get = Callable[[str], Both]
RUN = """
import sys
from assay_verifier.__main__ import main
code = main(sys.argv[1:])
ours = sorted(name for name in sys.modules if name.partition(".")[0] in ("assay", "torch"))
sys.exit(f"loaded {ours}" if ours else code)
"""


@pytest.fixture
def claimed(both_of: Get) -> Claimed:
    """A right claim of one token."""
    both = both_of("plain")
    prompt = (3, 4, 5)
    token = int(both.model.program.run(prompt)[-1][0].argmax())
    return Claimed(both.commitment, prompt, (token,))


def written(folder: Path, document: dict[str, Any]) -> str:
    path = folder / "claim.json"
    path.write_text(json.dumps(document))
    return str(path)


def test_right(
    claimed: Claimed, both_of: Get, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [written(tmp_path, claimed.document()), str(both_of("plain").folder)]
    assert main(arguments) == 0
    assert re.fullmatch(r"right \(\d+\.\d+ s\)\n", capsys.readouterr().out)
    assert main([*arguments, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert 0 < said.pop("seconds") < 60
    assert said == {"right": True, "reason": None, "token": None, "unchecked": [], "unpaid": []}


def test_wrong(
    claimed: Claimed, both_of: Get, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lie = Claimed(claimed.commitment, claimed.prompt, (claimed.output[0] ^ 1,))
    assert main([written(tmp_path, lie.document()), str(both_of("plain").folder)]) == 1
    said = capsys.readouterr().out
    assert said.startswith(f"wrong at output token 0: the token is {lie.output[0]}, not ")


def test_what_the_command_exports(
    both_of: Get, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = both_of("every feature")
    monkeypatch.setattr(cli, "_imported", lambda path: both.commitment.model)
    folder = tmp_path / "deep" / "model"
    result = CliRunner().invoke(cli.app, ["export", str(folder), "--json"])
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts["model_root"] == hexed(read_model(folder).root) == hexed(both.model.root)
    assert facts["bytes"] == (folder / "tensors.bin").stat().st_size


def test_an_export_to_no_folder(both_of: Get, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="name another folder"):
        write_model(both_of("plain").commitment, tmp_path / "file")


def test_a_provider_s_form_of_a_claim(
    claimed: Claimed, both_of: Get, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It knows neither chain nor root: said on the command line, or said not to be checked."""
    batch = claimed.batch()
    data = ClaimData(
        batch_id=bytes(32),
        index=INDEX,
        job=claimed.job,
        signature=b"",
        receipt=claimed.receipt,
        proof=tuple(bytes.fromhex(item[2:]) for item in batch["proof"]),
        prompt=claimed.prompt,
        output=claimed.output,
        salt=SALT,
    )
    document = data.to_json()
    del document["signature"]
    arguments = [written(tmp_path, document), str(both_of("plain").folder)]
    assert main(arguments) == 0
    said = capsys.readouterr().out.splitlines()
    assert [re.split(r"[:(]", line)[0] for line in said] == ["right ", *["not checked"] * 2]

    chain = ["--chain-id", str(CHAIN_ID), "--settlement", SETTLEMENT]
    assert main([*arguments, *chain, "--root", batch["root"]]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert main([*arguments, *chain, "--root", hexed(bytes(32))]) == 2
    assert "not in the batch" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda d: d.pop("job"), "job is missing"),
        (lambda d: d["job"].update(nonsense=1), "nonsense"),
        (lambda d: d["job"].update(seed="0x12"), "seed has 1 bytes"),
        (lambda d: d["job"].update(seed="zz"), "no hexadecimal"),
        (lambda d: d["job"].update(inv_temperature=2**64), "inv_temperature"),
        (lambda d: d["receipt"].update(price=1.5), "price is 1.5"),
        (lambda d: d.update(prompt=[True]), "prompt is True"),
        (lambda d: d.update(output="abc"), "output is missing or no list"),
    ],
)
def test_malformed_claims(
    claimed: Claimed,
    both_of: Get,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[dict[str, Any]], object],
    why: str,
) -> None:
    document = claimed.document()
    change(document)
    assert main([written(tmp_path, document), str(both_of("plain").folder)]) == 2
    assert why in capsys.readouterr().err


def test_it_runs_without_a_line_of_the_engine(
    claimed: Claimed, both_of: Get, tmp_path: Path
) -> None:
    arguments = [written(tmp_path, claimed.document()), str(both_of("plain").folder)]
    done = subprocess.run(
        [sys.executable, "-c", RUN, *arguments], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout[:6]) == (0, "right "), done.stderr


def test_signers(claimed: Claimed) -> None:
    """As eth-account makes signatures, for both structs and random keys."""
    for seed in range(1, 6):
        account = Account.from_key(bytes([seed]) * 32)
        for document in (
            job_typed_data(claimed.job, CHAIN_ID, SETTLEMENT),
            receipt_typed_data(claimed.receipt, CHAIN_ID, SETTLEMENT),
        ):
            message = encode_typed_data(full_message=document)
            digest = bytes(_hash_eip191_message(message))
            signature = bytes(account.sign_message(message).signature)
            assert signer(digest, signature) == bytes.fromhex(account.address[2:])
            assert signer(bytes(32), signature) != bytes.fromhex(account.address[2:])


def test_what_is_no_signature(claimed: Claimed) -> None:
    document = claimed.document()
    good = bytes.fromhex(document["signature"][2:])
    digest = claimed.receipt.job_id
    assert signer(digest, good) == bytes.fromhex(CONSUMER.address[2:])
    assert signer(digest, good) != bytes.fromhex(PROVIDER.address[2:])
    r, s, v = good[:32], int.from_bytes(good[32:64], "big"), good[64]
    other_half = r + (ORDER - s).to_bytes(32, "big") + bytes([55 - v])
    nowhere = (5).to_bytes(32, "big") + good[32:]  # there is no point with x = 5
    for bad in (other_half, nowhere, good[:64], good[:64] + b"\0", bytes(65), r + bytes(33)):
        assert signer(digest, bad) is None
