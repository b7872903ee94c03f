"""Permits (EIP-2612) as a wallet signs them, for tokens on titanoboa."""

from __future__ import annotations

from typing import Any

import boa
from eth_account import Account
from eth_account.signers.local import LocalAccount

PERMIT = ("owner:address", "spender:address", "value:uint256", "nonce:uint256", "deadline:uint256")


def sign_permit(
    token: Any, owner: LocalAccount, spender: str, value: int, deadline: int, **domain: Any
) -> tuple[int, bytes, bytes]:
    """(v, r, s) over the owner's present nonce; `domain` replaces fields of the EIP-712 domain,
    `nonce` and `signer` the nonce and who signs."""
    nonce = domain.pop("nonce", token.nonces(owner.address))
    signer = domain.pop("signer", owner)
    fields = {
        "name": token.name(),
        "version": "1",
        "chainId": boa.env.evm.patch.chain_id,
        "verifyingContract": token.address,
    }
    types = {"Permit": [dict(zip(("name", "type"), f.split(":"), strict=True)) for f in PERMIT]}
    values = (owner.address, spender, value, nonce, deadline)
    message = {f.split(":")[0]: v for f, v in zip(PERMIT, values, strict=True)}
    signed = Account.sign_typed_data(signer.key, {**fields, **domain}, types, message)
    return signed.v, signed.r.to_bytes(32, "big"), signed.s.to_bytes(32, "big")
