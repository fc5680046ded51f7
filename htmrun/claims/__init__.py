"""Claims about online learning, each with the experiment and the rule that settle it.

A claim is a file of `conf/claim/`: `schema` says what one holds, `catalogue` reads them, `playing`
runs what they name, `judging` applies their rules, `outcome` is what came of it.
"""
