"""Imported by the server that processes are forked from: all that commands would import first."""

import logging

import mlflow
import pandas  # noqa: F401
import PIL.Image

from htmrun.config.compose import load

PIL.Image.init()
logging.getLogger("mlflow").setLevel(logging.ERROR)
mlflow.MlflowClient  # noqa: B018
load(["experiment=digits"])
