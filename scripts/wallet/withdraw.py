"""`ape run wallet withdraw`."""

from assay.wallet.ape import command

cli = command("withdraw")
