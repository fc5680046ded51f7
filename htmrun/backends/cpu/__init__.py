"""The cpu backend."""

from htmrun.backends.cpu.cache import kernels_kept_by_source

with kernels_kept_by_source():
    from htmrun.backends.cpu.sdr_classifier import SDRClassifier
    from htmrun.backends.cpu.spatial_pooler import SpatialPooler
    from htmrun.backends.cpu.temporal_memory import TemporalMemory

__all__ = ["SDRClassifier", "SpatialPooler", "TemporalMemory"]
