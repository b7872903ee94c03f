"""`ape run wallet stake-karat`."""

from assay.wallet.ape import command

cli = command("stake-karat")
