# pragma version 0.4.3
"""
@title What a consumer signs and what a provider may ask for it
@license AGPL-3.0-only
@notice The job as EIP-712 sees it, its price, and the terms that a receipt must keep to in
        order to be paid.
"""

from snekmate.utils import signature_checker

from ..interfaces import Types

# ------------------------------------------------------------------
#                             CONSTANTS
# ------------------------------------------------------------------

# Prices are micro-USD for so many tokens.
TOKENS_PER_PRICE: constant(uint256) = 1_000_000

JOB_TYPE_HASH: constant(bytes32) = keccak256(
    "Job(bytes32 model_root,address consumer,address provider,bytes32 prompt_root,uint32 prompt_tokens,uint32 max_output_tokens,uint64 inv_temperature,bytes32 seed,uint64 price_input,uint64 price_output,uint256 max_price,uint64 deadline,uint8 data_mode,bytes32 nonce)"
)


# ------------------------------------------------------------------
#                               TERMS
# ------------------------------------------------------------------


@internal
@pure
def struct_hash(job: Types.Job) -> bytes32:
    """
    @notice EIP-712 hashStruct: all fields are single words.
    """
    return keccak256(abi_encode(JOB_TYPE_HASH, job))


@internal
@pure
def price(job: Types.Job, output_tokens: uint32) -> uint256:
    """
    @notice What the job costs at the prices that the consumer signed.
    """
    return self.price_at(job, output_tokens, job.price_input, job.price_output)


@internal
@pure
def price_at(
    job: Types.Job, output_tokens: uint32, price_input: uint64, price_output: uint64
) -> uint256:
    """
    @notice In payment-token units, rounded up to one.
    @dev Two products of 32 by 64 bits: no overflow.
    """
    micro: uint256 = convert(job.prompt_tokens, uint256) * convert(price_input, uint256)
    micro += convert(output_tokens, uint256) * convert(price_output, uint256)
    return (micro + TOKENS_PER_PRICE - 1) // TOKENS_PER_PRICE


@internal
@pure
def check_terms(
    job: Types.Job, receipt: Types.Receipt, provider: address, posted_at: uint256
):
    """
    @notice Reverts unless the receipt keeps to what the consumer signed.
    """
    assert job.provider == provider, "settlement: job of another provider"
    assert posted_at <= convert(job.deadline, uint256), "settlement: posted past the deadline"
    assert 0 < receipt.output_tokens, "settlement: no output"
    assert receipt.output_tokens <= job.max_output_tokens, "settlement: output too long"
    assert receipt.price == self.price(job, receipt.output_tokens), "settlement: wrong price"
    assert receipt.price <= job.max_price, "settlement: price above the cap"


@internal
@view
def check_signature(consumer: address, job_id: bytes32, signature: Bytes[65]):
    """
    @dev A malformed signature recovers to the zero address, which therefore signs nothing.
         SAFETY: an ERC-1271 consumer can revoke its signature until the claim is final;
         providers that mind serve keys only.
    """
    assert consumer != empty(address), "settlement: wrong signature"
    assert signature_checker._is_valid_signature_now(consumer, job_id, signature), (
        "settlement: wrong signature"
    )
