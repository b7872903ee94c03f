"""The index: every event of the contracts in a database, tables derived from them, a read API."""
