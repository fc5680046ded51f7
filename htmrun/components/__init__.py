"""What a pipeline is made of: sources, encoders, stages, readouts, one file per kind."""
