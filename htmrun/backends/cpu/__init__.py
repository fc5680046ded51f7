"""The cpu backend."""

from htmrun.backends.cpu.sdr_classifier import SDRClassifier
from htmrun.backends.cpu.spatial_pooler import SpatialPooler as SpatialPooler
