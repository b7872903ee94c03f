"""`ape run wallet claim`."""

from assay.wallet.ape import command

cli = command("claim")
