"""`ape run wallet withdraw-karat`."""

from assay.wallet.ape import command

cli = command("withdraw-karat")
