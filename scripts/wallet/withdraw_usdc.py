"""`ape run wallet withdraw-usdc`."""

from assay.wallet.ape import command

cli = command("withdraw-usdc")
