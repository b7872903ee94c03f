"""`ape run wallet cancel-karat`."""

from assay.wallet.ape import command

cli = command("cancel-karat")
