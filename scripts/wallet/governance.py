"""`ape run wallet governance …`."""

from assay.wallet.ape import command

cli = command("governance")
