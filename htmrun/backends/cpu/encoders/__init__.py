"""What encoders need compiled for the processor."""
