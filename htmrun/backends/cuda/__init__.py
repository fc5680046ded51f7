"""The CUDA backend: launches the kernels in `kernels/`, same bytes as the reference.

Not in `backends.NAMES`: it has no temporal memory yet and has not run on a card, only on
the host (see `kernels/README.md`). Importing it needs neither CuPy nor a GPU; building a
class without one is a `UserError`.
"""

from htmrun.backends.cuda.sdr_classifier import SDRClassifier as SDRClassifier
from htmrun.backends.cuda.spatial_pooler import SpatialPooler as SpatialPooler
