"""The reference backend."""

from htmrun.backends.reference.sdr_classifier import SDRClassifier
