"""Deep networks beside the HTM stages: torch owns their gradients.

A network is a chain of named layers and a linear readout. It obeys the same plan of commits and
boosting points as every other stage: `network.Network` has run, compute, state and load.
Spatial poolers inside it are those of `htmrun.backends`.
"""
