"""The SDR classifier compiled for the processor."""
