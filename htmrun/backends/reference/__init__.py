"""The reference backend."""

from htmrun.backends.reference.sdr_classifier import SDRClassifier
from htmrun.backends.reference.spatial_pooler import SpatialPooler as SpatialPooler
