"""`python -m assay_verifier CLAIM MODEL`: is a claim right?"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Any

from assay_verifier.claim import read_claim
from assay_verifier.errors import VerifierError
from assay_verifier.model import read_model
from assay_verifier.verdict import Verdict, judge

RIGHT, WRONG, NO_VERDICT = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 the claim is right, 1 it is wrong, 2 there is no verdict."""
    options = _parser().parse_args(arguments)
    begin = monotonic()
    try:
        claim = read_claim(options.claim, options.chain_id, options.settlement, options.root)
        verdict = judge(claim, read_model(options.model))
    except VerifierError as error:
        print(f"no verdict: {error}", file=sys.stderr)
        return NO_VERDICT
    seconds = round(monotonic() - begin, 3)
    if options.json:
        print(json.dumps(document(verdict, seconds), indent=2))
    else:
        _show(verdict, seconds)
    return RIGHT if verdict.right else WRONG


def document(verdict: Verdict, seconds: float) -> dict[str, Any]:
    """The verdict as JSON, with the time from the first file read."""
    return {
        "right": verdict.right,
        "reason": verdict.reason,
        "token": verdict.token,
        "unchecked": list(verdict.unchecked),
        "unpaid": list(verdict.unpaid),
        "seconds": seconds,
    }


def _show(verdict: Verdict, seconds: float) -> None:
    if verdict.right:
        print(f"right ({seconds} s)")
    else:
        print(f"wrong at output token {verdict.token}: {verdict.reason} ({seconds} s)")
    for what in verdict.unchecked:
        print(f"not checked: {what}")
    for what in verdict.unpaid:
        print(f"would not be paid: {what}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m assay_verifier",
        description="Recompute a claim from the specification's text, with nothing of the engine.",
    )
    parser.add_argument("claim", type=Path, help="a gateway's receipt or a provider's claim, JSON")
    parser.add_argument("model", type=Path, help="folder that `assay model export` has written")
    parser.add_argument("--chain-id", type=int, help="where the file does not say it")
    parser.add_argument("--settlement", help="the Settlement's address, likewise")
    parser.add_argument("--root", help="the batch's root on chain, likewise")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser


if __name__ == "__main__":
    sys.exit(main())
