"""Links and saved views while other runs write to the same experiment."""

from __future__ import annotations

from typing import ClassVar

import pytest

from htmrun.tracking import links


def test_a_tag_that_another_run_adds_meanwhile_is_tried_again() -> None:
    from mlflow.exceptions import MlflowException

    class Client:
        said: ClassVar[list[str]] = []

        def set_experiment_tag(self, experiment: str, name: str, value: str) -> None:
            self.said.append(name)
            if len(self.said) < 3:
                raise MlflowException("UNIQUE constraint failed: experiment_tags.key")

    links.save_view(Client(), "1", "run", None)
    assert Client.said == ["mlflow.sharedViewState.htmrun-run"] * 3

    class Broken:
        def set_experiment_tag(self, experiment: str, name: str, value: str) -> None:
            raise MlflowException("no such experiment")

    with pytest.raises(MlflowException, match="no such experiment"):
        links.save_view(Broken(), "1", "run", None)
