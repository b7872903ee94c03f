"""`ape run wallet show`."""

from assay.wallet.ape import command

cli = command("show")
