"""A verdict in MLflow: a run of the experiment `claims`, beside the runs that it was made of."""

from __future__ import annotations

import time
from pathlib import Path

from htmrun.claims.outcome import Outcome, text_of
from htmrun.claims.page import section
from htmrun.claims.schema import Claim
from htmrun.tracking.provenance import code_tags, version_tags
from htmrun.tracking.store import experiment_id, explained, open_client, store_uri

EXPERIMENT = "claims"


def record(claim: Claim, outcome: Outcome, uri: str | None, directory: str) -> None:
    """Write the verdict, every rule's figures and the page's section. Raises UserError."""
    target = store_uri(uri, directory)
    Path(directory).mkdir(parents=True, exist_ok=True)
    client = open_client(target, lambda _: None)
    with explained(target):
        place = experiment_id(client, target, EXPERIMENT, Path(directory) / "artifacts")
        words = section(claim, outcome, {})
        tags = {
            **code_tags(), **version_tags(), "mlflow.source.name": "htmrun claim",
            "mlflow.note.content": words, "htmrun.claim": str(claim.number),
            "htmrun.verdict": outcome.verdict, "htmrun.size": outcome.size,
            "htmrun.runs": ",".join(outcome.runs),
        }  # fmt: skip
        run = client.create_run(
            place, start_time=int(1000 * time.time()), tags=tags,
            run_name=f"claim-{claim.number:02d}-{outcome.size}",
        ).info.run_id  # fmt: skip
        for place_of, rule in enumerate(outcome.rules):
            for name, value in (
                ("mean", rule.of.mean), ("difference", rule.difference), ("low", rule.low),
                ("high", rule.high), ("seeds", float(rule.seeds)),
            ):  # fmt: skip
                if value is not None:
                    client.log_metric(run, f"rule_{place_of + 1}/{name}", value)
        client.log_text(run, words, "claim.md")
        client.log_text(run, text_of(outcome), "outcome.json")
        client.set_terminated(run, "FINISHED")
