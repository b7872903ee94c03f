"""`ape run wallet earnings`."""

from assay.wallet.ape import command

cli = command("earnings")
