"""`ape run wallet allocate`."""

from assay.wallet.ape import command

cli = command("allocate")
