"""The protocol's structs, field for field as the contracts declare them (`contracts/interfaces`).

Knows shapes and names only: hashing lives in `core.hashes`, arithmetic in `exact`. Every struct's
`abi()` is the tuple that `eth_abi` and web3 encode; its `ABI` is the tuple's type string.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NewType

Hash = NewType("Hash", bytes)
"""32 bytes."""

TILE = 512
"""Elements per Merkle leaf, and terms per chunk of a reduction."""
REVEAL_HEIGHT = 6
"""A move reveals at most 2**REVEAL_HEIGHT descendants of a node."""
NONE = 2**32 - 1
"""An input or tensor slot that a step does not use."""
TABLE_BASE = 2**24
"""Tensor ids from here on name the tables tree."""
SPEC_VERSION = 1
TEMPERATURE_ONE = 1 << 16
"""`inv_temperature` of T = 1 (Q16); 0 stands for greedy."""
ZERO_HASH = Hash(bytes(32))


class Op(IntEnum):
    """Opcodes of a program's steps; their semantics are `exact.ops`."""

    EMBED = 1
    EXPONENT = 2
    RMS = 3
    NORM = 4
    QUANT = 5
    LINEAR = 6
    ROPE = 7
    SCORES = 8
    ROWMAX = 9
    EXP2 = 10
    SUM = 11
    TRANSPOSE = 12
    ATTEND = 13
    ADD = 14
    SILU_GATE = 15
    LAST = 16
    BIAS = 17
    SPLIT = 18
    MEAN = 19
    CENTER = 20
    GELU = 21
    SOFTCAP = 22
    GELU_GATE = 23


ENCODER_OPS = frozenset({Op.MEAN, Op.CENTER, Op.GELU})
"""Opcodes that only encoders' programs have."""


@dataclass(frozen=True)
class Step:
    """One primitive op of a program.

    Its output has `rows` rows (times the number of positions if `per_position`) of `width`
    elements (0: one per position), each a signed big-endian integer of `elem_bytes` bytes.
    """

    opcode: int
    rows: int
    per_position: bool
    width: int
    elem_bytes: int
    inputs: tuple[int, ...] = ()
    tensors: tuple[int, ...] = ()
    params: tuple[int, ...] = ()

    ABI = "(uint8,uint32,bool,uint32,uint8,uint32[4],uint32[2],int64[6])"

    def abi(self) -> tuple[object, ...]:
        return (
            self.opcode,
            self.rows,
            self.per_position,
            self.width,
            self.elem_bytes,
            _pad(self.inputs, 4, NONE),
            _pad(self.tensors, 2, NONE),
            _pad(self.params, 6, 0),
        )

    def shape(self, positions: int) -> tuple[int, int]:
        """(rows, width) of the output in a pass over `positions` positions."""
        return self.rows * (positions if self.per_position else 1), self.width or positions


@dataclass(frozen=True)
class Model:
    """What the chain knows of a model; `model_root` is the Keccak hash of its encoding.

    `logit_fraction`: fraction bits of the last step's output. `gumbel_table` is NONE for a model
    that draws no tokens, see `embeds`.
    """

    spec_version: int
    program_root: bytes
    weights_root: bytes
    tables_root: bytes
    tokenizer_hash: bytes
    config_hash: bytes
    n_steps: int
    n_weights: int
    n_tables: int
    vocab_size: int
    context_length: int
    logit_fraction: int
    gumbel_table: int
    eos_tokens: tuple[int, ...]

    ABI = (
        "(uint32,bytes32,bytes32,bytes32,bytes32,bytes32,"
        "uint32,uint32,uint32,uint32,uint32,uint8,uint32,uint32[])"
    )

    @property
    def embeds(self) -> bool:
        """Whether its output is an embedding, its last step's only row, and counts as one token."""
        return self.gumbel_table == NONE

    def abi(self) -> tuple[object, ...]:
        return (
            self.spec_version,
            self.program_root,
            self.weights_root,
            self.tables_root,
            self.tokenizer_hash,
            self.config_hash,
            self.n_steps,
            self.n_weights,
            self.n_tables,
            self.vocab_size,
            self.context_length,
            self.logit_fraction,
            self.gumbel_table,
            list(self.eos_tokens),
        )


PUBLIC_DATA, AUDITOR_DATA, PRIVATE_DATA = range(3)
"""Data modes of a job: whoever asks gets prompt and output; auditors who are drawn do; the consumer
alone has them."""


@dataclass(frozen=True)
class Job:
    """One request, bound to a model, a prompt and a seed before any provider computes.

    Prices are micro-USD per million tokens; `max_price` and receipt prices are micro-USD (the
    payment token's 6 decimals); `deadline` is a Unix time in seconds.
    """

    model_root: bytes
    consumer: str
    provider: str
    prompt_root: bytes
    prompt_tokens: int
    max_output_tokens: int
    inv_temperature: int
    seed: bytes
    price_input: int
    price_output: int
    max_price: int
    deadline: int
    data_mode: int
    nonce: bytes

    ABI = (
        "(bytes32,address,address,bytes32,uint32,uint32,uint64,bytes32,"
        "uint64,uint64,uint256,uint64,uint8,bytes32)"
    )

    def abi(self) -> tuple[object, ...]:
        return (
            self.model_root,
            self.consumer,
            self.provider,
            self.prompt_root,
            self.prompt_tokens,
            self.max_output_tokens,
            self.inv_temperature,
            self.seed,
            self.price_input,
            self.price_output,
            self.max_price,
            self.deadline,
            self.data_mode,
            self.nonce,
        )

    def price(self, output_tokens: int) -> int:
        """Micro-USD for this many output tokens, rounded up to one."""
        total = self.prompt_tokens * self.price_input + output_tokens * self.price_output
        return -(-total // 1_000_000)


@dataclass(frozen=True)
class Receipt:
    """A provider's statement of a job's output: one leaf of a batch."""

    job_id: bytes
    output_root: bytes
    output_tokens: int
    price: int

    ABI = "(bytes32,bytes32,uint32,uint256)"

    def abi(self) -> tuple[object, ...]:
        return (self.job_id, self.output_root, self.output_tokens, self.price)


@dataclass(frozen=True)
class Pass:
    """Everything that a step of the disputed pass may read, besides the trace itself.

    The pass that produces output token `token_index` runs over
    `positions = prompt_tokens + token_index` positions.
    """

    n_steps: int
    n_weights: int
    n_tables: int
    weights_root: bytes
    tables_root: bytes
    program_root: bytes
    positions: int
    prompt_root: bytes
    prompt_tokens: int
    output_root: bytes
    output_tokens: int
    token_index: int
    seed: bytes
    inv_temperature: int
    vocab_size: int
    logit_fraction: int
    gumbel_table: int

    ABI = (
        "(uint32,uint32,uint32,bytes32,bytes32,bytes32,uint32,bytes32,uint32,"
        "bytes32,uint32,uint32,bytes32,uint64,uint32,uint8,uint32)"
    )

    @classmethod
    def of(cls, model: Model, job: Job, receipt: Receipt, token_index: int) -> Pass:
        """The pass behind output token `token_index` of a claim."""
        return cls(
            n_steps=model.n_steps,
            n_weights=model.n_weights,
            n_tables=model.n_tables,
            weights_root=model.weights_root,
            tables_root=model.tables_root,
            program_root=model.program_root,
            positions=job.prompt_tokens + token_index,
            prompt_root=job.prompt_root,
            prompt_tokens=job.prompt_tokens,
            output_root=receipt.output_root,
            output_tokens=receipt.output_tokens,
            token_index=token_index,
            seed=job.seed,
            inv_temperature=job.inv_temperature,
            vocab_size=model.vocab_size,
            logit_fraction=model.logit_fraction,
            gumbel_table=model.gumbel_table,
        )

    def abi(self) -> tuple[object, ...]:
        return (
            self.n_steps,
            self.n_weights,
            self.n_tables,
            self.weights_root,
            self.tables_root,
            self.program_root,
            self.positions,
            self.prompt_root,
            self.prompt_tokens,
            self.output_root,
            self.output_tokens,
            self.token_index,
            self.seed,
            self.inv_temperature,
            self.vocab_size,
            self.logit_fraction,
            self.gumbel_table,
        )


@dataclass(frozen=True)
class Opening:
    """One tile of a committed tensor with its path to the trace, weights or tables root."""

    rows: int
    width: int
    elem_bytes: int
    data: bytes
    path: tuple[bytes, ...]

    ABI = "(uint32,uint32,uint8,bytes,bytes32[])"

    def abi(self) -> tuple[object, ...]:
        return (self.rows, self.width, self.elem_bytes, self.data, list(self.path))


@dataclass(frozen=True)
class TokenOpening:
    """One token of a prompt or output with its salt and its path in the token list's tree."""

    token: int
    salt: bytes
    path: tuple[bytes, ...]

    ABI = "(uint32,bytes32,bytes32[])"

    def abi(self) -> tuple[object, ...]:
        return (self.token, self.salt, list(self.path))


EMPTY_TOKEN = TokenOpening(0, bytes(32), ())
"""Passed where a step reads no token."""


@dataclass(frozen=True)
class SamplingParams:
    """How output tokens are drawn.

    Attributes:
        max_tokens: upper bound of output tokens, at least 1.
        inv_temperature: 1/T in Q16; 0 is greedy.
        seed: 32 bytes, fixed by the consumer.
    """

    max_tokens: int
    inv_temperature: int = 0
    seed: bytes = field(default=bytes(32))


def _pad(values: tuple[int, ...], length: int, fill: int) -> list[int]:
    if len(values) > length:
        raise ValueError(f"{len(values)} values do not fit the {length} slots of a step")
    return list(values) + [fill] * (length - len(values))
