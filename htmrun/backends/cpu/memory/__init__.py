"""The temporal memory compiled for the processor."""
