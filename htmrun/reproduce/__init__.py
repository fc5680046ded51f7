"""Recorded runs taken up again: continued, repeated and compared, handed to somebody else."""
