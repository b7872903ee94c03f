"""`ape run wallet unstake`."""

from assay.wallet.ape import command

cli = command("unstake")
