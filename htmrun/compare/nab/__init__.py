"""The Numenta Anomaly Benchmark: every file learned once by a fresh model, judged, scored."""
