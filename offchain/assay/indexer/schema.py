"""The index's tables. They say nothing that the chain does not say, so their schema never moves
row by row: a revision in `migrations/` makes all of them anew (`remake`), and they are read again.

Ids and hashes are 0x-hex text, addresses checksummed. Amounts may exceed 64 bits, so they are
`Amount`: decimal text of fixed width, which sorts as numbers do. Units: ASSAY and KARAT 10**-18,
dollars micro-USD; times are Unix seconds, days Unix time // 86,400.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Dialect,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.sql.schema import ScalarElementColumnDefault

AMOUNT_DIGITS = 78
"""Of 2**256 - 1."""


class Amount(TypeDecorator[int]):
    """An unsigned integer of any size."""

    impl = String(AMOUNT_DIGITS)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> str | None:
        return None if value is None else f"{value:0{AMOUNT_DIGITS}d}"

    def process_result_value(self, value: Any, dialect: Dialect) -> int | None:
        return None if value is None else int(value)


METADATA = MetaData()


def _key(name: str, kind: Any = String) -> Column[Any]:
    return Column(name, kind, primary_key=True, autoincrement=False)


def _amount(name: str) -> Column[Any]:
    return Column(name, Amount, nullable=False, default=0)


def _count(name: str) -> Column[Any]:
    return Column(name, BigInteger, nullable=False, default=0)


def _text(name: str) -> Column[Any]:
    return Column(name, String, nullable=False, default="")


def _place() -> tuple[Column[Any], Column[Any]]:
    """Where on the chain a row began: lists are ordered and paged by it."""
    return _count("block"), _count("log_index")


def _block() -> tuple[Column[Any], ...]:
    return _key("block", BigInteger), _text("hash"), _count("timestamp")


# What was read.

cursor = Table(
    "index_cursor",
    METADATA,
    _key("id", Integer),
    _text("origin"),  # chain and settlement that the index is of
    _count("start"),
    _count("block"),
    _text("hash"),
    _count("timestamp"),
)
heads = Table("index_heads", METADATA, *_block())
blocks = Table("index_blocks", METADATA, *_block())
events = Table(
    "index_events",
    METADATA,
    _key("block", BigInteger),
    _key("log_index", BigInteger),
    _text("transaction_hash"),
    _text("contract"),
    _text("name"),
    Column("args", Text, nullable=False),
    Index("index_events_by_name", "contract", "name", "block", "log_index"),
)
mentions = Table(
    "index_mentions",
    METADATA,
    _key("subject"),  # an account, or the id of a claim, a game, a job, a batch, a model
    _key("block", BigInteger),
    _key("log_index", BigInteger),
    Index("index_mentions_by_block", "block"),
)
undo = Table(
    "index_undo",
    METADATA,
    _key("head", BigInteger),  # the range that changed the row ended with this block
    _key("place", BigInteger),
    _text("table_name"),
    Column("key", Text, nullable=False),
    Column("before", Text),  # None: there was no row
)

# What follows from it.

models = Table(
    "index_models",
    METADATA,
    _key("model_root"),
    *_place(),
    _text("verifier"),
    Column("header", Text, nullable=False, default="{}"),
    _amount("price_input"),
    _amount("price_output"),
    _count("registered_at"),
)
providers = Table(
    "index_providers",
    METADATA,
    _key("address"),
    *_place(),
    _amount("bonded"),
    _amount("locked"),
    _amount("slashed"),
    _amount("unbonding"),
    _count("batches"),
    _count("claims"),
    _count("finalised"),
    _count("convicted"),
    _count("abandoned"),
    _count("games"),
    _count("games_won"),
    _count("games_lost"),
    _amount("credit_earned"),
    _amount("usdc_earned"),
    _amount("fees_paid"),
    _amount("work_rewards"),
    _count("first_seen_at"),
    _count("last_batch_at"),
    Index("index_providers_by_bond", "bonded", "address"),
)
batches = Table(
    "index_batches",
    METADATA,
    _key("batch_id"),
    *_place(),
    _text("provider"),
    _text("root"),
    _count("count"),
    _count("nonce"),
    _count("posted_at"),
    _count("challenge_until"),
    _count("finalised"),
    _count("convicted"),
    _count("abandoned"),
    _text("transaction_hash"),
    Index("index_batches_by_place", "block", "log_index"),
    Index("index_batches_by_provider", "provider", "block", "log_index"),
)
claims = Table(
    "index_claims",
    METADATA,
    _key("claim_id"),
    *_place(),
    _text("batch_id"),
    _count("position"),
    _text("provider"),
    Column("status", String, nullable=False, default="open"),
    _text("job_id"),
    _text("consumer"),
    _count("posted_at"),
    _count("ended_at"),
    _amount("price"),
    _amount("credit"),
    _amount("usdc"),
    _amount("fee"),
    _amount("shortfall"),
    _count("games"),
    _text("convicted_by"),
    _amount("slashed"),
    _amount("reward"),
    Index("index_claims_by_place", "block", "log_index", "position"),
    Index("index_claims_by_batch", "batch_id", "position"),
    Index("index_claims_by_provider", "provider", "block", "log_index", "position"),
    Index("index_claims_by_status", "status", "block", "log_index", "position"),
    Index("index_claims_by_job", "job_id"),
    Index("index_claims_by_end", "ended_at"),
)
games = Table(
    "index_games",
    METADATA,
    _key("game_id"),
    *_place(),
    _text("claim_id"),
    _text("batch_id"),
    _count("position"),
    _count("token_index"),
    _text("challenger"),
    _text("provider"),
    _text("job_id"),
    _text("phase"),
    _count("moves"),
    _count("deadline"),
    _text("outcome"),
    _text("winner"),
    _text("reason"),
    _count("opened_at"),
    _count("moved_at"),
    _count("resolved_at"),
    Index("index_games_by_place", "block", "log_index"),
    Index("index_games_by_claim", "claim_id"),
    Index("index_games_by_outcome", "outcome", "block", "log_index"),
)
accounts = Table(
    "index_accounts",
    METADATA,
    _key("address"),
    _amount("assay"),
    _amount("karat"),
    _amount("stake_free"),
    _amount("stake_locked"),
    _amount("staked"),  # both
    _amount("stake_rewards"),
    _amount("karat_minted"),
    _amount("karat_staked"),
    _amount("prepaid"),
    _amount("earnings"),
    _amount("spent_credit"),
    _amount("spent_usdc"),
    Index("index_accounts_by_stake", "staked", "address"),
)
channels = Table(
    "index_channels",
    METADATA,
    _key("owner"),
    _key("payee"),
    *_place(),
    Column("open", Boolean, nullable=False, default=True),
    _amount("karat_micro"),
    _amount("capacity_bps"),
    _amount("deposit"),
    _text("session_key"),
    _amount("expires_at"),
)
vouchers = Table(
    "index_vouchers",
    METADATA,
    _key("owner"),
    _key("payee"),
    _key("day", BigInteger),
    *_place(),
    _amount("credit"),
    _amount("usdc"),
    _count("collections"),
    Index("index_vouchers_by_payee", "payee", "day"),
)
auctions = Table(
    "index_auctions",
    METADATA,
    _key("number", BigInteger),
    *_place(),
    _amount("lot_usd_micro"),
    _amount("start_price"),
    _count("started_at"),
    _count("ends_at"),
    _amount("sold_usd_micro"),
    _amount("burned"),
)
curve = Table(
    "index_curve",
    METADATA,
    _key("block", BigInteger),
    _key("log_index", BigInteger),
    _count("timestamp"),
    _text("account"),
    _text("kind"),  # "mint" or "burn"
    _amount("karat"),
    _amount("assay"),
    _amount("supply"),
)
days = Table(
    "index_days",
    METADATA,
    _key("day", BigInteger),
    _amount("supply"),
    _amount("minted"),
    _amount("burned"),
    _amount("minted_to_stakers"),
    _amount("minted_to_providers"),
    _amount("burned_in_auctions"),
    _amount("burned_by_slashes"),
    _amount("auctioned_usd_micro"),
    _amount("karat_supply"),
    _amount("karat_staked"),
    _amount("staked"),
    _amount("work"),
    _count("used_bps"),
    _count("stakers_bps"),
    _count("claims"),
    _count("finalised"),
    _count("convicted"),
    _amount("paid_credit"),
    _amount("paid_usdc"),
    _amount("fees"),
)
totals = Table(
    "index_totals",
    METADATA,
    _key("id", Integer),
    _amount("supply"),
    _amount("minted"),
    _amount("burned"),
    _amount("staked"),
    _amount("karat_supply"),
    _amount("karat_staked"),
    _amount("bonded"),
    _amount("fees_held"),
    _amount("paid_credit"),
    _amount("paid_usdc"),
    _count("models"),
    _count("providers"),
    _count("batches"),
    _count("claims"),
    _count("finalised"),
    _count("convicted"),
    _count("abandoned"),
    _count("games"),
    _count("games_open"),
)


def blank(table: Table) -> dict[str, Any]:
    """A new row without its keys."""
    defaults = ((column.name, column.default) for column in table.columns)
    return {
        name: value.arg for name, value in defaults if isinstance(value, ScalarElementColumnDefault)
    }


READ = (events, mentions, blocks)
DERIVED = (
    models,
    providers,
    batches,
    claims,
    games,
    accounts,
    channels,
    vouchers,
    auctions,
    curve,
    days,
    totals,
)


def remake(connection: Connection) -> None:
    """All tables of the index, empty: what a revision does."""
    METADATA.drop_all(connection)
    METADATA.create_all(connection)
    connection.execute(cursor.insert().values(id=1))
