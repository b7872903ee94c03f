"""`ape run wallet auction`."""

from assay.wallet.ape import command

cli = command("auction")
