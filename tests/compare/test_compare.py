"""From finished runs in MLflow to what `htmrun compare` prints."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats

from htmrun.cli.terminal.comparison_table import compare
from htmrun.compare.runs import Choice
from htmrun.errors import UserError
from htmrun.training.records import Failed, Finished, Job, Started
from tests.helpers.synthetic import tracker

OLD, NEW = "20261101-000000-digits-aaaa", "20261102-000000-digits-bbbb"
SEEDS = 7
BASE = {"online": 0.95, "minibatch": 0.93, "epoch_boost": 0.949, "no_sp": 0.8}


def accuracy(arm: str, seed: int) -> float:
    return BASE[arm] + 0.001 * seed + 0.0007 * ((seed * list(BASE).index(arm)) % 5)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> str:
    """Two runs: an old one of one seed, a new one of seven seeds with two that did not finish."""
    directory = tmp_path_factory.mktemp("compare")
    shutil.copy(prepared, directory)
    with tracker(directory, OLD) as old:
        for arm in ("online", "minibatch"):
            old.handle(Finished(Job(arm, 0), {"accuracy": accuracy(arm, 0)}, "h", 1.0))
    with tracker(directory, NEW) as new:
        # The arms do not start in the order of their names, nor with the reference.
        for arm in ("minibatch", "online", "epoch_boost", "no_sp"):
            for seed in range(SEEDS):
                job = Job(arm, seed, arm == "no_sp")
                metrics = {
                    "sp/entropy": 0.2,
                    "tail/accuracy": 0.5,
                    "commits": 10.0,
                    "samples_per_s": 1000.0 * (seed + 1),
                    "accuracy": accuracy(arm, seed),
                    "latency/infer_p50_us": 3.0,
                }
                if job == Job("epoch_boost", 6):
                    new.handle(Started(job, 10))
                    new.handle(Failed(job, "broke"))
                else:
                    new.handle(Finished(job, metrics, "h", 1.0))
        new.handle(Started(Job("online", 7), 10))
        new.finish("interrupted")
    return str(directory)


def show(
    run: str | None,
    store: str,
    output_format: str,
    metrics: Sequence[str] = (),
    everything: bool = False,
    force: bool = True,
    runs: tuple[str, ...] = (),
    **more: Any,
) -> None:
    """Print a comparison; with `force`, because two jobs of the newest run did not finish."""
    chosen = runs or (() if run is None else (run,))
    compare(
        Choice(chosen, tuple(metrics), everything, force=force, directory=store, **more),
        output_format,
    )


def read_json(capsys: pytest.CaptureFixture[str], store: str, run: str | None) -> dict[str, object]:
    show(run, store, "json")
    return json.loads(capsys.readouterr().out)


def test_the_newest_run_is_compared(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = read_json(capsys, store, None)
    assert found["run"] == NEW
    assert found["arms"] == ["minibatch", "online", "epoch_boost"]
    assert found["controls"] == ["no_sp"]
    assert found["reference"] == "online"


def test_figures_are_those_of_scipy(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    metric = read_json(capsys, store, None)["metrics"]["accuracy"]  # type: ignore[index]
    values = {arm: [accuracy(arm, seed) for seed in range(SEEDS)] for arm in BASE}
    values["epoch_boost"].pop()  # It failed with seed 6.
    for arm, expected in values.items():
        assert metric["arms"][arm]["values"] == pytest.approx(expected)
        assert metric["arms"][arm]["mean"] == pytest.approx(np.mean(expected))
    differences = {d["arm"]: d for d in metric["differences"]}
    assert sorted(differences) == ["epoch_boost", "minibatch"]
    for arm, difference in differences.items():
        base = values["online"][: len(values[arm])]
        flipped = scipy.stats.permutation_test(
            (np.subtract(values[arm], base),), np.mean,
            permutation_type="samples", n_resamples=np.inf,
        )  # fmt: skip
        assert difference["p_holm"] >= difference["p"] >= flipped.pvalue - 1e-12
        apart = difference["low"] > 0 or difference["high"] < 0
        assert apart == (difference["p"] < 0.05)


def test_unfinished_runs_are_listed_and_left_out(
    store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    show(None, store, "table")
    out, err = capsys.readouterr()
    assert "did not finish: epoch_boost-s006 (failed), online-s007 (killed)" in err
    assert "epoch_boost has no result for seed 6" in err
    assert "warning" not in out


def test_an_earlier_run_is_found_by_its_beginning(
    store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = read_json(capsys, store, "20261101")
    assert found["run"] == OLD
    difference = found["metrics"]["accuracy"]["differences"][0]  # type: ignore[index]
    assert (difference["seeds"], difference["low"], difference["p"]) == (1, None, None)
    assert any("1 seed: nothing is called significant" in note for note in found["notes"])  # type: ignore[attr-defined]


def test_six_seeds_and_two_comparisons_cannot_be_significant(
    store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    notes = " ".join(read_json(capsys, store, NEW)["notes"])  # type: ignore[arg-type]
    assert "corrected for the 3 comparisons of arms and the 1 comparison with controls" in notes
    assert "6 seeds and 3 comparisons cannot give a corrected p under 0.0938" in notes
    assert "with 7 seeds or more it can" in notes


def test_table_and_markdown_put_the_arms_side_by_side(
    store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    show(None, store, "table")
    table = capsys.readouterr().out
    show(None, store, "markdown")
    markdown = capsys.readouterr().out
    head = "| metric | minibatch | online | epoch_boost | no_sp (control) |"
    assert head in markdown.splitlines()
    mean = np.mean([accuracy("online", seed) for seed in range(SEEDS)])
    assert "| accuracy | epoch_boost - online |" in markdown
    assert "epoch_boost - online" in table
    for text in (table, markdown):
        assert f"{mean:.4f} ± " in text
        assert "95 % Student-t interval" in text
        assert not [c for c in text if ord(c) < 32 and c != "\n"]


def test_csv_has_a_line_for_each_metric_and_arm(
    store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    show(None, store, "csv")
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["metric"], row["arm"]) for row in rows[:4]] == [
        ("accuracy", arm) for arm in ("minibatch", "online", "epoch_boost", "no_sp")
    ]
    assert len(rows) == 12
    first = rows[0]
    values = [float(value) for value in first["values"].split()]
    assert values == pytest.approx([accuracy("minibatch", seed) for seed in range(SEEDS)])
    expected = np.mean([accuracy("minibatch", s) - accuracy("online", s) for s in range(SEEDS)])
    assert float(first["difference"]) == pytest.approx(expected)
    assert rows[3]["control"] == "true"
    assert rows[3]["reference"] == "epoch_boost"  # Controls are compared with the best arm.
    assert float(rows[3]["difference"]) < -0.1
    assert float(rows[3]["p"]) < 0.05


def shown(capsys: pytest.CaptureFixture[str], store: str, **choice: object) -> list[str]:
    show(None, store, "json", **choice)  # type: ignore[arg-type]
    return list(json.loads(capsys.readouterr().out)["metrics"])


def test_what_people_compare_comes_first_and_bookkeeping_only_when_asked(
    store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shown(capsys, store) == ["accuracy", "sp/entropy", "samples_per_s"]
    everything = shown(capsys, store, everything=True)
    usual = ["accuracy", "sp/entropy", "samples_per_s"]
    assert everything == [*usual, "tail/accuracy", "commits", "latency/infer_p50_us"]
    assert shown(capsys, store, metrics=["commits", "accuracy", "commits"]) == [
        "commits",
        "accuracy",
    ]


def test_the_same_figures_stand_in_every_format(
    store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for output_format in ("table", "json", "csv", "markdown"):
        show(None, store, output_format)
        text = capsys.readouterr().out
        assert "sp/entropy" in text
        assert "commits" not in text
        show(None, store, output_format, ["commits"])
        text = capsys.readouterr().out
        assert "commits" in text
        assert "sp/entropy" not in text


@pytest.mark.parametrize("width", [60, 80, 120])
def test_tables_lose_nothing_on_narrow_terminals(
    width: int, store: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("htmrun.cli.terminal.terminal._WIDTH_OF_FILES", width)
    show(None, store, "table", everything=True)
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    show(None, store, "json", everything=True)
    found = json.loads(capsys.readouterr().out)["metrics"]
    for name, metric in found.items():
        assert name in text
        assert all(f"{d['p_holm']:.4f}" in text for d in metric["differences"])
    for arm in BASE:
        assert arm in text


def test_p_values_have_no_column_where_there_are_none(
    store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    show("20261101", store, "table")
    assert "p (Holm)" not in capsys.readouterr().out
    show(None, store, "table")
    assert "p (Holm)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"metrics": ["acuracy"]}, "found 'acuracy', .*; did you mean 'accuracy'"),
        ({"metrics": ["qqq"]}, "found 'qqq', .*; `htmrun compare --all` lists them"),
        ({"metrics": ["accuracy"], "everything": True}, "--all: found together with --metric"),
    ],
)
def test_mistaken_figures_are_one_line(
    store: str, choice: dict[str, object], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        show(None, store, "table", **choice)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("run", "output_format", "message"),
    [
        (None, "tabel", "format: found 'tabel', expected one of .*; did you mean 'table'"),
        ("2026", "table", "begins 2 experiment runs, expected one"),
        ("20261102-000000-digits-bbbx", "table", f"no experiment run .* did you mean '{NEW}'"),
    ],
)
def test_mistakes_are_one_line(
    store: str, run: str | None, output_format: str, message: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        show(run, store, output_format)
    assert "\n" not in str(caught.value)


def test_an_empty_directory_says_how_to_start_and_stays_empty(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run `htmrun train experiment=digits` first"):
        show(None, str(tmp_path), "table")
    assert not list(tmp_path.iterdir())


def test_unequal_runs_are_listed_and_refused(
    store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError) as caught:
        show(None, store, "table", force=False)
    lines = str(caught.value).splitlines()
    assert "--force compares what they share" in lines[0]
    assert "run: did not finish: epoch_boost-s006 (failed), online-s007 (killed)" in lines
    assert "run: epoch_boost has no result for seed 6" in lines
    assert capsys.readouterr().out == ""
    # Without the arm that is short of a seed nothing stands in the way.
    show(NEW, store, "json", force=False, arms=("minibatch", "no_sp"))
    found = json.loads(capsys.readouterr().out)
    assert (found["arms"], found["controls"]) == (["minibatch"], ["no_sp"])


def test_several_runs_are_compared_together(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="online@aaaa has no result for seed 1, 2"):
        show(None, store, "json", force=False, runs=(OLD, NEW))
    show(None, store, "json", runs=(OLD, "latest"))
    found = json.loads(capsys.readouterr().out)
    assert found["arms"][:2] == ["online@aaaa", "minibatch@aaaa"]
    assert found["reference"] == "online@aaaa"
    # A name that only one run has needs no ending.
    assert "epoch_boost" in found["arms"]
    differences = {d["arm"]: d for d in found["metrics"]["accuracy"]["differences"]}
    assert differences["online@bbbb"]["seeds"] == 1
    assert differences["online@bbbb"]["mean"] == 0.0


def test_another_reference_turns_the_sign(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    usual = {
        d["arm"]: d for d in read_json(capsys, store, NEW)["metrics"]["accuracy"]["differences"]
    }  # type: ignore[index]
    show(NEW, store, "json", reference="minibatch")
    found = json.loads(capsys.readouterr().out)["metrics"]["accuracy"]["differences"]
    turned = {d["arm"]: d for d in found}
    assert turned["online"]["mean"] == pytest.approx(-usual["minibatch"]["mean"])
    assert turned["online"]["p"] == pytest.approx(usual["minibatch"]["p"])
    with pytest.raises(UserError, match=r"--reference: found 'onlin', .* did you mean 'online'"):
        show(NEW, store, "json", reference="onlin")
    with pytest.raises(UserError, match="--arm: found 'x', expected among minibatch, online"):
        show(NEW, store, "json", arms=("x",))


@pytest.mark.parametrize("word", ["digits", "latest", "bbbb", "htmrun.run=" + NEW, "run=" + NEW])
def test_words_for_the_newest_run(
    word: str, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert read_json(capsys, store, word)["run"] == NEW


def test_a_tag_means_all_runs_that_have_it(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert read_json(capsys, store, "arm=minibatch")["run"] == f"{OLD}, {NEW}"
    for word, message in (
        ("armm=online", "no run has a tag 'armm'; did you mean"),
        ("arm=onlin", "no run has the tag arm = 'onlin'; did you mean 'online'"),
        ("digts", "no experiment is called so; did you mean 'digits'"),
    ):
        with pytest.raises(UserError, match=message):
            show(word, store, "json")


def test_friedman_over_the_seeds_is_scipy_s(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = read_json(capsys, store, NEW)["metrics"]["accuracy"]["friedman"]  # type: ignore[index]
    values = [[accuracy(arm, seed) for seed in range(6)] for arm in found["arms"]]
    theirs = scipy.stats.friedmanchisquare(*values)
    assert (found["chi2"], found["p"]) == pytest.approx((theirs.statistic, theirs.pvalue))
    assert found["blocks"] == 6  # Seed 6 is not common to all.


def test_latex_is_escaped_and_balanced(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    show(NEW, store, "latex")
    text = capsys.readouterr().out
    assert r"epoch boost $-$ online" in text
    assert "entropy (SP)" in text
    assert r"95 \% interval" in text
    assert r"$\pm$" in text
    assert r"\label{tab:means}" in text
    body = [line for line in text.splitlines() if line.endswith(r" \\")]
    assert all(line.count("&") - line.count(r"\&") >= 3 for line in body)
    for part in ("table", "tabular"):
        assert text.count(rf"\begin{{{part}}}") == text.count(rf"\end{{{part}}}")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex on this machine")
def test_latex_compiles_as_it_is_and_inside_a_paper(
    store: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    show(NEW, store, "latex", everything=True)
    (tmp_path / "alone.tex").write_text(capsys.readouterr().out, encoding="utf-8")
    (tmp_path / "paper.tex").write_text(
        "\\documentclass{article}\\begin{document}See \\ref{tab:means}.\n"
        "\\input{alone}\\end{document}"
    )
    for name in ("alone", "paper"):
        for _ in range(2):
            done = subprocess.run(
                ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", name],
                cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False,
            )  # fmt: skip
        assert done.returncode == 0, done.stdout[-2000:]
        assert "undefined" not in done.stdout
        assert "Overfull" not in done.stdout or name == "paper"
        assert (tmp_path / f"{name}.pdf").stat().st_size > 1000


def test_only_what_is_asked_for_is_printed(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    for output_format in ("table", "markdown", "latex", "csv", "json"):
        show(NEW, store, output_format, ["sp/entropy"])
        text = capsys.readouterr().out
        assert "entropy" in text
        for other in ("accuracy", "samples", "commits"):
            assert other not in text.replace("test samples", ""), (output_format, other)


def test_the_usual_output_is_short(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    show(NEW, store, "table")
    text = capsys.readouterr().out
    # Over the six seeds that all arms have.
    six = {arm: np.mean([accuracy(arm, seed) for seed in range(6)]) for arm in BASE}
    assert text.startswith(f"epoch_boost ({six['epoch_boost']:.4f}) has the best mean accuracy")
    assert f"ahead of online ({six['online']:.4f}), but 6 seeds cannot decide" in text
    assert len(text.splitlines()) < 60
