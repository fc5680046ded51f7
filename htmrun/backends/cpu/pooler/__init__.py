"""The spatial pooler compiled for the processor."""
