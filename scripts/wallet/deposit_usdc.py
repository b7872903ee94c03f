"""`ape run wallet deposit-usdc`."""

from assay.wallet.ape import command

cli = command("deposit-usdc")
