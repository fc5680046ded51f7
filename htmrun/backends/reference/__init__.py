"""The reference backend."""

from htmrun.backends.reference.sdr_classifier import SDRClassifier
from htmrun.backends.reference.spatial_pooler import SpatialPooler
from htmrun.backends.reference.temporal_memory import TemporalMemory

__all__ = ["SDRClassifier", "SpatialPooler", "TemporalMemory"]
