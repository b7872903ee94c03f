"""From a node's complaint to a `ContractReverted` that names call, reason and remedy."""

from __future__ import annotations

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from web3.exceptions import ContractLogicError, Web3RPCError

from assay.core.errors import ContractReverted

ERROR_STRING = bytes.fromhex("08c379a0")  # Error(string)
PANIC = bytes.fromhex("4e487b71")  # Panic(uint256)

PREFIXES = ("execution reverted: revert: ", "execution reverted: ", "revert: ")


# Fragments of revert strings, each with what an operator can do. Strings that only a program's
# own fault can cause (a wrong path, a wrong tile) have none.
REMEDIES: tuple[tuple[str, str], ...] = (
    ("bond is locked", "add bond with `assay provider register`, or wait until claims finalise"),
    ("bond too small", "add bond with `assay provider register`"),
    ("window is over", "the claim can no longer be challenged"),
    ("too late to withdraw", "only in the first eighth of its window can a claim be taken back"),
    ("window still open", "wait until the challenge window has ended"),
    ("a game is open", "wait for the end of the game (`assay game show` follows it)"),
    ("model is not registered", "register it with `assay model register`"),
    ("already registered", "nothing needs to be done"),
    ("clock expired", "the move came too late; `timeout` ends the game"),
    ("clock is running", "wait for the deadline that `assay game show` prints"),
    ("not the move to make", "read the game again: it may have moved on"),
    ("balance too small", "deposit into the ledger first"),
    ("insufficient allowance", "approve the tokens first"),
    ("transfer amount exceeds balance", "the account holds too few tokens: get some first"),
    ("caller is not the deployer", "use the keystore that deployed the contracts"),
    ("less than the minimum", "the price has moved: quote again, or allow more slippage"),
    ("allocated to channels", "lower what channels claim: it is free from 00:00 UTC on"),
    ("karat promised already", "stake more KARAT, or lower another channel"),
    ("capacity promised already", "lower another channel's part"),
    ("expiry too near", "a payee has a day's notice: name a later expiry"),
    ("channel is in use", "wait until its last day can no longer be collected"),
    ("tickets: not ready", "wait until the ticket is ripe"),
    ("no auction is live", "start one, or wait for the next"),
    ("price above the limit", "wait until the price has fallen, or raise the limit"),
    ("blacklisted", "the dollar token refuses an account: name another recipient"),
    ("paused", "the dollar token is paused: wait"),
    ("operation is not ready", "wait for the delay, or queue it first"),
    ("operation already scheduled", "execute it when its delay is over"),
)


def decode_revert(data: bytes) -> str:
    """The reason in a revert's return data; "" if there is none, hex if it is unknown."""
    try:
        if data[:4] == ERROR_STRING:
            return str(decode(["string"], data[4:])[0])
        if data[:4] == PANIC:
            return f"panic 0x{decode(['uint256'], data[4:])[0]:02x}"
    except DecodingError:
        pass
    return f"0x{data.hex()}" if data else ""


def reason_of(error: ContractLogicError | Web3RPCError) -> str:
    """The revert reason that web3 found in a node's answer."""
    data = getattr(error, "data", None)
    if isinstance(data, str) and data.startswith("0x") and len(data) > 2:
        return decode_revert(bytes.fromhex(data[2:]))
    message = str(getattr(error, "message", None) or error)
    for prefix in PREFIXES:
        if prefix in message:
            return message.split(prefix, 1)[1].split("', '")[0].strip(" '\"")
    return "" if message.startswith("execution reverted") else message


def reverted(call: str, reason: str, transaction: str | None = None) -> ContractReverted:
    """The typed error for a revert, with the remedy for reasons that have one."""
    return ContractReverted(call, reason, remedy=remedy_for(reason), transaction=transaction)


def remedy_for(reason: str) -> str:
    """What an operator can do about a revert reason; "" where nothing general helps."""
    lowered = reason.lower()
    for fragment, remedy in REMEDIES:
        if fragment in lowered:
            return remedy
    return ""
