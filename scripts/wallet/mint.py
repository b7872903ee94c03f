"""`ape run wallet mint`."""

from assay.wallet.ape import command

cli = command("mint")
