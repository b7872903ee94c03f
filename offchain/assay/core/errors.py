"""The one exception tree of the package.

Every error that the package raises on purpose descends from `AssayError`; its message
names the value, the limit and the remedy, and its `code` is stable and machine-readable
(HTTP answers and `--json` output carry it).

    AssayError
    ├── ConfigError            a setting, key file or deployment file is missing or malformed
    ├── EnvironmentMissing     a program, port, disk space or network that is needed is not there
    ├── DatabaseUnavailable    the database does not answer, or is too busy
    ├── InputError             the caller's request is wrong (HTTP 4xx, carries its own code)
    ├── ModelError             a checkpoint cannot be imported or is not the one registered
    ├── IncompleteData         we know too little to accuse anybody
    ├── ProofError             an opening, path or receipt does not match its commitment
    ├── UpstreamError          another service of the network failed or answered nonsense
    └── ChainError             anything about the chain
        ├── NodeUnavailable    the RPC endpoint does not answer
        ├── ContractReverted   a contract refused a call; `reason` is its revert string
        ├── InsufficientFunds  the sender cannot pay for value or gas
        ├── TransactionTimeout a transaction was not included in time, replacements included
        ├── DeploymentMismatch code on chain is not the code of the deployment file
        └── CompileError       the compiler refused a contract
"""

from __future__ import annotations


class AssayError(Exception):
    """Base of every deliberate error; `code` is stable across releases."""

    code: str = "error"

    @property
    def message(self) -> str:
        """The human text: value, limit and remedy."""
        return str(self)


class ConfigError(AssayError):
    """A setting, key file or deployment file is missing or malformed."""

    code = "config"


class EnvironmentMissing(AssayError):
    """Something that the machine must provide (program, port, disk, network) is not there."""

    code = "environment"


class DatabaseUnavailable(AssayError):
    """The database does not answer, or is too busy; what was under way is undone."""

    code = "database_unavailable"


class InputError(AssayError):
    """The request is wrong; nothing was changed.

    `code` is per instance here ("prompt_too_long", "unknown_model", …), `status` the HTTP
    status that a service answers with, `param` the offending field if there is one, `kind` the
    `type` in OpenAI's error shape where it is not "invalid_request_error".
    """

    code = "invalid_request"

    def __init__(
        self,
        message: str,
        *,
        code: str = "invalid_request",
        status: int = 400,
        param: str | None = None,
        kind: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.param = param
        self.kind = kind


class ModelError(AssayError):
    """A checkpoint cannot be imported, or is not the model that was registered."""

    code = "model"


class ProofError(AssayError):
    """An opening, path or receipt does not match its commitment."""

    code = "proof"


class IncompleteData(AssayError):
    """Something that an accusation rests on is missing or in doubt; nothing was sent.

    `kind` is one word for it, for counters.
    """

    code = "incomplete_data"

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class UpstreamError(AssayError):
    """Another service of the network failed or answered nonsense."""

    code = "upstream"


class ChainError(AssayError):
    """Anything about the chain."""

    code = "chain"


class DeepReorganisation(ChainError):
    """Blocks changed that were taken for settled: what was read must be read again."""


class NodeUnavailable(ChainError):
    """The RPC endpoint does not answer."""

    code = "node_unavailable"


class ContractReverted(ChainError):
    """A contract refused a call.

    Parameters: `call` as "Contract.function", `reason` the revert string ("" if the contract
    gave none), `transaction` the hash if the revert was mined, `remedy` a sentence.
    """

    code = "reverted"

    def __init__(
        self,
        call: str,
        reason: str,
        *,
        remedy: str = "",
        transaction: str | None = None,
    ) -> None:
        self.call = call
        self.reason = reason
        self.remedy = remedy
        self.transaction = transaction
        where = f" (transaction {transaction})" if transaction else ""
        text = f"{call} reverted: {reason or 'no reason given'}{where}"
        super().__init__(f"{text}; {remedy}" if remedy else text)


class InsufficientFunds(ChainError):
    """The sender cannot pay for the value or the gas of a transaction."""

    code = "insufficient_funds"


class TransactionTimeout(ChainError):
    """A transaction was not included in time, its replacements included."""

    code = "transaction_timeout"


class DeploymentMismatch(ChainError):
    """The code on chain is not the code that the deployment file names."""

    code = "deployment_mismatch"


class CompileError(ChainError):
    """The compiler refused a contract, or the sources are not there."""

    code = "compile"
