"""The subcommands of `acg`: one module each, with its options and what it runs."""
