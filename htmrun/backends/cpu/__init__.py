"""The cpu backend."""

from htmrun.backends.cpu.sdr_classifier import SDRClassifier
