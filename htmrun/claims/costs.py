"""What learning costs, measured: alternating windows in one process, as ratios."""
