"""`ape run wallet quote`."""

from assay.wallet.ape import command

cli = command("quote")
