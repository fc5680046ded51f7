"""Claims: rules, files, outcomes, commands."""
