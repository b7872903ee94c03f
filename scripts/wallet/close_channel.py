"""`ape run wallet close-channel`."""

from assay.wallet.ape import command

cli = command("close-channel")
