"""`ape run wallet compound`."""

from assay.wallet.ape import command

cli = command("compound")
