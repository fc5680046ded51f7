"""The models in plain NumPy: the rules of docs/math.md, to be read and compared with."""

from htmrun.backends.reference.sdr_classifier import SDRClassifier
from htmrun.backends.reference.spatial_pooler import SpatialPooler
from htmrun.backends.reference.temporal_memory import TemporalMemory
from htmrun.backends.reference.votes import bit_votes, nearest_votes

__all__ = ["SDRClassifier", "SpatialPooler", "TemporalMemory", "bit_votes", "nearest_votes"]
