"""The `assay` command: one file per group of subcommands, none of them with logic of its own."""
