"""`ape run wallet burn`."""

from assay.wallet.ape import command

cli = command("burn")
