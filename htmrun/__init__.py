"""htmrun: compare online, mini-batch and epoch-boosted learning of HTM pipelines."""

__version__ = "0.1.0"
