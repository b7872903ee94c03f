"""`ape run wallet stake`."""

from assay.wallet.ape import command

cli = command("stake")
