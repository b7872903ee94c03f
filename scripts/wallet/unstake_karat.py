"""`ape run wallet unstake-karat`."""

from assay.wallet.ape import command

cli = command("unstake-karat")
