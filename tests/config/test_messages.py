"""What is wrong is said in one line each: path, what was found, what is allowed, nearest name."""

from __future__ import annotations

from pathlib import Path

import pytest

from htmrun.config.compose import load
from htmrun.errors import UserError

WRONG = [
    ("sp.colums=4096", "sp.colums: unknown field, found 4096; did you mean 'columns'?"),
    ("epohcs=3", "epohcs: unknown field, found 3; did you mean 'epochs'?"),
    ("encodr=rdse", "encodr: unknown field, found 'rdse'; did you mean 'encoder'?"),
    (
        "arm.minibatch.lern_every=3",
        "arm.minibatch.lern_every: unknown field, found 3; did you mean 'learn_every'?",
    ),
    (
        "control.x.zzz=3",
        "control.x.zzz: unknown field, found 3, expected one of learn_every, boost_at, freeze, "
        "bypass, pipeline",
    ),
    ("sp.columns=x", "sp.columns: found 'x', expected an integer 1 to 16777216"),
    ("sp.columns=true", "sp.columns: found true, expected an integer 1 to 16777216"),
    ("sp.columns=4.5", "sp.columns: found 4.5, expected an integer 1 to 16777216"),
    ('sp.columns="64"', "sp.columns: found '64', expected an integer 1 to 16777216"),
    ("sp.columns.x=3", "sp.columns: found a section, expected an integer 1 to 16777216"),
    ("sp.density=0", "sp.density: found 0, expected a number > 0, <= 0.5"),
    ("sp.winners=0", "sp.winners: found 0, expected an integer >= 1 or null"),
    ("data.test_fraction=1", "data.test_fraction: found 1, expected a number > 0, < 1"),
    ("description=5", "description: found 5, expected text"),
    ("arm.x=3", "arm.x: found 3, expected a section"),
    ("seeds=3", "seeds: found 3, expected a list of integer >= 0"),
    ("seeds=[]", "seeds: found [], expected at least 1 item(s)"),
    ("seeds=[0,-1]", "seeds[1]: found -1, expected at least 0"),
    ("classifier.horizons=[-1]", "classifier.horizons[0]: found -1, expected at least 0"),
    (
        "device=gpu",
        "device: found 'gpu', expected one of cpu, reference, cuda, cuda:1, auto; did you mean "
        "'cpu'?",
    ),
    (
        "device=cuda:x",
        "device: found 'cuda:x', expected one of cpu, reference, cuda, cuda:1, auto; did you mean "
        "'cuda:1'?",
    ),
    ("device=3", "device: found 3, expected cpu or reference or cuda or cuda:1 or auto"),
    (
        "sp.inhibition=lokal",
        "sp.inhibition: found 'lokal', expected one of global, local; did you mean 'local'?",
    ),
    (
        "arm.mine.learn_every={start:5,limit:2}",
        "arm.mine.learn_every.start: 5 is above limit = 2, expected at most that",
    ),
    (
        "arm.mine.learn_every={start:1,factor:1}",
        "arm.mine.learn_every.factor: found 1, expected a number > 1, <= 1000",
    ),
    (
        "data.kind=digit",
        "data.kind: found 'digit', expected one of bandit, cartpole, cifar10, digits, folder, "
        "grid_world, idx, npz, reber, sequences, series; did you mean 'digits'?",
    ),
    (
        "sp.horizons=[1]",
        "sp.horizons: found [1], a field of kind cla or knn or mlp or network or sdr, not of "
        "spatial_pooler; ~sp.horizons drops it",
    ),
    (
        "encoder=value_and_date",
        "encoder.threshold: found 7, a field of kind image, not of fields; ~encoder.threshold "
        "drops it",
    ),
    (
        "encoder.levels=[3,2]",
        "encoder.levels: found [3, 2], expected thresholds in ascending order",
    ),
    (
        "sp.inhibition=local",
        "sp.inhibition: 'local' needs column_shape and inhibition_radius, found null",
    ),
    (
        "name=a b",
        "name: found 'a b', expected a name of letters, digits, _ and - that starts with a letter",
    ),
    (
        "tracking.experiment=../elsewhere",
        "tracking.experiment: found '../elsewhere', expected a name of letters, digits, _ and - "
        "that starts with a letter",
    ),
    ("data=null", "data: missing, expected a section"),
    (
        "sp2={kind:spatial_pooler}",
        "sp2: not in pipeline [encoder, sp, classifier], expected every stage to be in it",
    ),
    # Groups and overrides themselves.
    (
        "encoder=rds",
        "encoder: found 'rds', expected one of category, coordinate, date, geospatial, image, log, "
        "rdse, scalar, value_and_date; did you mean 'rdse'?",
    ),
    (
        "arm=[online,minibach]",
        "arm: found 'minibach', expected one of epoch_boost, minibatch, online; did you mean "
        "'minibatch'?",
    ),
    ("sp.columns", "override: found 'sp.columns', expected KEY=VALUE, e.g. sp.columns=4096"),
    ("=3", "override: found '=3', expected KEY=VALUE, e.g. sp.columns=4096"),
    ("a..b=3", "override: found 'a..b=3', expected a dotted key such as sp.columns before '='"),
    (
        "sp.columns=1,2",
        "sp.columns: found '1,2', expected one value; a list is written 'sp.columns=[1,2]', a text "
        "with commas 'sp.columns=\"1,2\"'",
    ),
    (
        "seeds=[0,1",
        "seeds: cannot read '[0,1', expected a number, a word, a list [a,b] or quoted text: "
        "'seeds=\"[0,1\"'",
    ),
    (
        "~arm.minibach",
        "arm.minibach: found nothing to remove, expected one of online, minibatch, epoch_boost; "
        "did you mean 'minibatch'?",
    ),
    (
        "hydra.verbose=true",
        "hydra.verbose: found in an override, expected a field of the experiment",
    ),
    ("epochs=${sp.colums}", "epochs: Interpolation key 'sp.colums' not found"),
    # Parts that do not fit together.
    (
        "tm.cells_per_column=3",
        "tm.cells_per_column: has no effect, 'tm' is not in pipeline [encoder, sp, classifier]",
    ),
    ("sp.columns=10", "sp.density: 0.02 of 10 columns makes 0 winners, expected 1 to 10"),
    ("sp.winners=4096", "sp.winners: 4096 of 2048 columns makes 4096 winners, expected 1 to 2048"),
    (
        "sp.potential_fraction=0.001",
        "sp.potential_fraction: 0.001 of 64 inputs makes a pool of 0, expected at least 0.00781",
    ),
    (
        "arm.minibatch.learn_every=1001",
        "arm.minibatch.learn_every: 1001 is above sp.duty_period = 1000, expected at most that",
    ),
    (
        "arm.mine.learn_every={start:1,factor:3,limit:5000}",
        "arm.mine.learn_every.limit: 5000 is above sp.duty_period = 1000, expected at most that",
    ),
    (
        "pipeline=[encoder,spp,classifier]",
        "pipeline[1]: found 'spp', which has no section, expected one of encoder, classifier, sp, "
        "tm, network; did you mean 'sp'?",
    ),
    (
        "pipeline=[encoder,data,classifier]",
        "pipeline[1]: found 'data', which is no stage, expected a stage's name",
    ),
    ("pipeline=[encoder,sp,sp,classifier]", "pipeline: found 'sp' twice, expected each stage once"),
    (
        "pipeline=[encoder,sp]",
        "pipeline: found 'sp' (spatial_pooler), expected a classifier at the end, or a temporal "
        "memory that scores anomalies",
    ),
    (
        "pipeline=[encoder,sp,tm]",
        "pipeline: found no classifier with data.kind 'digits', expected one at the end (without "
        "it anomalies of a series are scored)",
    ),
    (
        "pipeline=[tm]",
        "pipeline: found 'tm' (temporal_memory), expected an encoder first and a "
        "classifier at the end",
    ),
    (
        "classifier=predicted_columns",
        "pipeline: found 'classifier' (predicted_columns), expected a temporal memory right before "
        "it",
    ),
    (
        "arms=[onlin]",
        "arms[0]: found 'onlin', expected one of online, minibatch, epoch_boost, untrained, no_sp; "
        "did you mean 'online'?",
    ),
    ("arms=[online,online]", "arms: found 'online' twice, expected each arm once"),
    ("seeds=[3,3]", "seeds: found 3 twice, expected each seed once"),
    (
        "control.untrained.freeze=[s]",
        "control.untrained.freeze[0]: found 's', expected one of encoder, sp, classifier; did you "
        "mean 'sp'?",
    ),
    (
        "control.x.freeze=[encoder]",
        "control.x.freeze[0]: found 'encoder', expected a stage that learns",
    ),
    (
        "control.x.bypass=[classifier]",
        "control.x.bypass: found 'classifier', expected stages between encoder and classifier",
    ),
    ("control.online.bypass=[sp]", "control.online: found in arm too, expected a name of its own"),
    (
        "control.x.baseline=persistence",
        "control.x.baseline: found 'persistence' with data.kind 'digits', expected a series to "
        "forecast",
    ),
    (
        "classifier.reads=[spp]",
        "classifier.reads[0]: found 'spp', expected one of encoder, sp; did you mean 'sp'?",
    ),
    (
        "classifier.horizons=[1]",
        "classifier.horizons: found [1] with data.kind 'digits', expected [0] (images have no "
        "order)",
    ),
    (
        "data=sequences",
        "encoder.kind: found an encoder of 'image', expected one of 'symbol', all that data.kind "
        "'sequences' has",
    ),
]


OWN = Path(__file__).parent / "own"


def complaint(*overrides: str) -> str:
    with pytest.raises(UserError) as caught:
        load(list(overrides), OWN)
    return str(caught.value)


@pytest.mark.parametrize(("override", "line"), WRONG, ids=[override for override, _ in WRONG])
def test_one_line_says_what_is_wrong(override: str, line: str) -> None:
    assert complaint("experiment=plain", override) == line


def test_all_errors_are_said_at_once() -> None:
    text = complaint("experiment=plain", "sp.colums=1", "seeds=[0,-1]", "epohcs=2", "device=gpu")
    paths = {line.split(":")[0] for line in text.splitlines()}
    assert paths == {"sp.colums", "seeds[1]", "epohcs", "device"}


def test_all_malformed_overrides_are_said_at_once() -> None:
    text = complaint("experiment=digit", "sp.columns", "seeds=[0")
    assert [line.split(":")[0] for line in text.splitlines()] == ["experiment", "override", "seeds"]


def test_errors_inside_the_fields_encoder_name_yaml_paths() -> None:
    # The encoder of kind `fields` has a field `fields`, which is a union's tag as well.
    text = complaint("experiment=stream", "encoder.fields.value.sise=3")
    assert text == "encoder.fields.value.sise: unknown field, found 3; did you mean 'size'?"
    text = complaint("experiment=stream", "encoder.fields.x={kind:rdsee}")
    assert text.startswith("encoder.fields.x.kind: found 'rdsee', expected one of category, coord")
    text = complaint("experiment=stream", "encoder.fields.timestamp.weekend.active=0")
    assert text.startswith("encoder.fields.timestamp.weekend.active: found 0, expected an integer")


def test_errors_in_stages_out_of_order() -> None:
    text = complaint("experiment=plain", "pipeline=[sp,encoder,classifier]")
    assert text.splitlines() == [
        "pipeline: found 'sp' (spatial_pooler), expected an encoder first",
        "pipeline: found 'encoder' (image), expected an encoder only as the first stage",
    ]
    text = complaint("experiment=plain", "pipeline=[encoder,classifier,sp]")
    assert "pipeline: found 'classifier' (sdr), expected a classifier only at the end" in text


def test_a_baseline_that_is_wrong_keeps_its_path() -> None:
    text = complaint("experiment=stream", "control.persistence.period=3")
    assert text == "control.persistence.period: found 3 with persistence, expected null"
    text = complaint("experiment=stream", "control.seasonal.period=0")
    assert text == "control.seasonal.period: found 0, expected an integer >= 1 or null"


def test_a_series_cannot_be_forecast_zero_steps_ahead_or_by_symbols() -> None:
    text = complaint("experiment=stream", "classifier.horizons=[0,1]")
    assert text == "classifier.horizons: found 0 with data.kind 'series', expected at least 1"


def test_without_a_classifier_there_must_be_a_memory_everywhere() -> None:
    series = ["experiment=stream", "pipeline=[encoder,sp,tm]"]
    nothing = ["control.persistence=null", "control.seasonal=null"]
    assert complaint(*series, *nothing, "arm.online.bypass=[tm]") == (
        "arm.online.bypass: found 'sp' (spatial_pooler), expected a classifier at the end, or a "
        "temporal memory that scores anomalies"
    )
    assert complaint(*series, *nothing, "data.drift_at=300") == (
        "data.drift_at: found 300 in a pipeline without classifier, expected null (how forecasts "
        "come back is measured)"
    )
    assert complaint("experiment=stream", "arm.online.pipeline=[encoder,sp,tm]") == (
        "arm.online.pipeline: found no classifier at the end, expected a classifier at the end as "
        "in pipeline"
    )
    assert complaint(*series, *nothing, "classifier.buckets=8") == (
        "classifier.buckets: has no effect, 'classifier' is not in pipeline [encoder, sp, tm]"
    )


def test_bypass_must_leave_an_order_that_works() -> None:
    text = complaint("experiment=sequences", "classifier=predicted_columns", "~classifier.horizons")
    assert text == (
        "control.no_tm.bypass: found 'classifier' (predicted_columns), expected a temporal memory "
        "right before it"
    )
