"""`ape run wallet take`."""

from assay.wallet.ape import command

cli = command("take")
