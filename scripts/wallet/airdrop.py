"""`ape run wallet airdrop`."""

from assay.wallet.ape import command

cli = command("airdrop")
