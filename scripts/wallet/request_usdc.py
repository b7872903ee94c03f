"""`ape run wallet request-usdc`."""

from assay.wallet.ape import command

cli = command("request-usdc")
