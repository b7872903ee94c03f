"""`ape run wallet cancel`."""

from assay.wallet.ape import command

cli = command("cancel")
