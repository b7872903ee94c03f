"""`ape run wallet start-auction`."""

from assay.wallet.ape import command

cli = command("start-auction")
