"""Kinds for htmrun; the entry points in pyproject.toml name the modules."""
