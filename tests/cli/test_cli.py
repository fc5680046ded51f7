"""The command line: one line for what is wrong, exit 2, nothing heavy before it is needed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import pytest

import htmrun
from htmrun.cli import (
    app,
    compare,
    dashboard,
    doctor,
    export,
    main,
    rerun,
    resume,
    show,
    sweep,
    train,
)
from htmrun.cli.diagnosis import examine
from htmrun.compare.runs import Choice
from htmrun.errors import UserError

HEAVY = (
    "numba", "sklearn", "torch", "mlflow", "hydra", "omegaconf", "pandas", "scipy", "matplotlib",
    "statsmodels", "numpy",
)  # fmt: skip

EXPERIMENTS = (
    "activations_digits, anomaly, bandit, cartpole, cifar10, classes_digits, credit_digits, csv, "
    "digits, drift, game_digits, grid_world, heard_digits, hierarchy_digits, hotgym, local_mnist, "
    "mnist, nab, norms_digits, permuted_digits, reber, reward_digits, rotated_digits, sequences, "
    "sp_mnist, sparse_digits, sparse_mnist, stream, taxi, taxi_perturbed, topology_digits"
)


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "htmrun", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=None,
        timeout=240,
    )


def error_of(capsys: pytest.CaptureFixture[str], arguments: Sequence[str]) -> str:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def test_the_command_line_and_its_help_import_nothing_heavy() -> None:
    code = (
        "import sys, htmrun.cli\n"
        "htmrun.cli.main(['--help']); htmrun.cli.main(['train', '--help'])\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240)
    assert done.stderr.strip() == "[]"
    for command in ("train", "show", "compare", "dashboard", "doctor"):
        assert command in done.stdout


@pytest.mark.parametrize(
    "command", [["train", "experiment=digits", "--dry-run"], ["show", "experiment=digits"]]
)
def test_a_plan_and_its_fields_import_nothing_that_only_runs_need(command: list[str]) -> None:
    heavy = ("torch", "numba", "mlflow", "pandas", "sklearn", "scipy", "sqlalchemy", "matplotlib")
    code = (
        f"import sys; from htmrun.cli import main; status = main({command!r})\n"
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)\n"
        "sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "[]\n"


def test_listing_experiments_imports_nothing_heavy() -> None:
    code = (
        "import sys, htmrun.cli\n"
        "htmrun.cli.main(['train'])\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240)
    assert done.stderr.strip() == "[]"
    assert "htmrun train experiment=digits" in done.stdout


COMMANDS = ", ".join(str(command.name) for command in app.registered_commands)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["trian"],
            f"trian: unknown command, expected one of {COMMANDS}; did you mean 'train'?",
        ),
        (
            ["train", "--quite"],
            "--quite: unknown option, expected one of --on, --config-dir, --import, --dry-run, "
            "--quiet, --json, --report; did you mean '--quiet'?",
        ),
        (
            ["train", "experiment=digit"],
            f"experiment: found 'digit', expected one of {EXPERIMENTS}; did you mean 'digits'?",
        ),
        (
            ["train", "experiment=digits", "sp.colums=4096"],
            "sp.colums: unknown field, found 4096; did you mean 'columns'?",
        ),
        (
            ["train", "experiment=digits", "~arm.onlin"],
            "arm.onlin: found nothing to remove, expected one of online, minibatch, epoch_boost; "
            "did you mean 'online'?",
        ),
        (
            ["train", "experiment=digits", "--dry-run", "+sp.columns=x"],
            "sp.columns: found 'x', expected an integer 1 to 16777216",
        ),
        (
            ["train", "digits"],
            "override: found 'digits', expected KEY=VALUE, e.g. sp.columns=4096; did you mean "
            "'experiment=digits'?",
        ),
        (
            ["show", "digts"],
            f"experiment: found 'digts', expected one of {EXPERIMENTS}; did you mean 'digits'?",
        ),
        (
            ["train", "--config-dir", "/no/such", "experiment=digits"],
            "--config-dir: found '/no/such', expected a folder that exists",
        ),
        (
            ["train", "--json"],
            f"experiment: none chosen, expected experiment=NAME with one of {EXPERIMENTS}",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_said_in_one_line(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert error_of(capsys, arguments) == f"error: {line}\n"


def test_every_error_has_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    text = error_of(capsys, ["train", "experiment=digits", "sp.colums=4096", "epochs=0"])
    assert sorted(line[:16] for line in text.splitlines()) == [
        "error: epochs: f",
        "error: sp.colums",
    ]


def test_wrong_option_values_and_extra_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["dashboard", "--port", "x"], ["show", "digits", "more"], ["train", "-x"]):
        text = error_of(capsys, arguments)
        assert text.startswith("error: ")
        assert text.count("\n") == 1


def test_mistakes_of_a_real_process() -> None:
    done = run("train", "experiment=digits", "sp.colums=4096")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "error: sp.colums: unknown field, found 4096; did you mean 'columns'?\n"


def test_version_and_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"htmrun {htmrun.__version__}\n"
    assert main([]) == 0
    assert "experiment=digits" in capsys.readouterr().out


def test_train_without_an_experiment_says_how_to_start(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train"]) == 0
    text = capsys.readouterr().out
    for name in ("digits", "mnist", "reber", "sequences", "stream"):
        assert f"\n{name} " in text
    assert "htmrun train experiment=digits --dry-run" in text


def test_show_lists_experiments_and_groups(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show"]) == 0
    text = capsys.readouterr().out
    assert "Handwritten digits" in text
    assert "cla, knn, mlp, predicted_columns, sdr" in text


def test_show_explains_an_experiment(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "digits"]) == 0
    lines = capsys.readouterr().out.splitlines()
    row = next(line for line in lines if line.strip().startswith("sp.columns"))
    assert row.split(maxsplit=2)[:2] == ["sp.columns", "2048"]
    assert max(len(line) for line in lines) <= 100


def test_show_finds_a_users_experiment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(
        "# @package _global_\n# My own.\nname: mine\n", encoding="utf-8"
    )
    assert main(["show", "--config-dir", str(tmp_path)]) == 0
    assert "My own." in capsys.readouterr().out
    assert main(["show", "mine", "--config-dir", str(tmp_path)]) == 0


def test_a_dry_run_prints_configuration_and_plan_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", "experiment=digits", "seeds=[0,1]", "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert "seeds: [0, 1]" in text
    assert "levels: [3, 8, 12]" in text
    assert "10 runs (5 arms x 2 seeds)" in text
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "experiment=digits", "--dry-run", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["configuration"]["sp"]["density"] == 0.1
    assert [row["arm"] for row in found["plan"]][:2] == ["online", "minibatch"]


def test_interruption_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("htmrun.config.compose.load", interrupted)
    assert main(["train", "experiment=digits"]) == 130


def test_status_of_the_run_is_the_status_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}

    def run_experiment(*arguments: object, **options: object) -> int:
        seen.update(options, overrides=arguments[2])
        return 1

    monkeypatch.setattr("htmrun.cli.running.run_experiment", run_experiment)
    assert main(["train", "experiment=digits", "--quiet", "sp.columns=64"]) == 1
    assert seen == {
        "on": "local",
        "quiet": True,
        "json_output": False,
        "afterwards": None,
        "overrides": ["experiment=digits", "sp.columns=64"],
    }


def test_compare_and_dashboard_hand_over_their_options(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[object, ...]] = []
    monkeypatch.setattr("htmrun.cli.terminal.comparison_table.compare", lambda *a: seen.append(a))
    monkeypatch.setattr("htmrun.tracking.dashboard.serve", lambda *a: seen.append(a))
    assert main(["compare", "2026", "--format", "json", "--dir", "x"]) == 0
    assert main(["dashboard", "--port", "5001", "--uri", "sqlite:///a.db"]) == 0
    chosen = Choice(("2026",), directory="x")
    assert seen == [(chosen, "json", None), ("sqlite:///a.db", "runs", 5001, False, "127.0.0.1")]


def test_errors_of_commands_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def serve(*_: object) -> None:
        raise UserError("port: 80 is taken, expected a free one")

    monkeypatch.setattr("htmrun.tracking.dashboard.serve", serve)
    assert error_of(capsys, ["dashboard"]) == "error: port: 80 is taken, expected a free one\n"


def test_doctor_says_what_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--dir", str(tmp_path / "runs")]) == 0
    text = capsys.readouterr().out
    for word in ("Python", "numba", "processor", "memory", "torch", "CUDA", "MLflow store"):
        assert word in text
    assert list(tmp_path.iterdir()) == [], "looking changes nothing"


def test_doctor_warns_of_a_store_that_cannot_be_used(tmp_path: Path) -> None:
    def store(uri: str | None, directory: Path) -> tuple[str, str]:
        found = next(f for f in examine(uri, str(directory)) if f.what == "MLflow store")
        return found.state, found.found

    (tmp_path / "mlflow.db").write_text("this is no database, " * 100, encoding="utf-8")
    assert store(None, tmp_path)[0] == "warning"
    assert store("http://127.0.0.1:9", tmp_path)[0] == "warning"
    assert store("./mlruns", tmp_path)[0] == "warning"
    assert store(None, tmp_path / "new") == (
        "ok", f"{tmp_path / 'new' / 'mlflow.db'} will be made by the first run"
    )  # fmt: skip


def test_completion_offers_experiments() -> None:
    from htmrun.cli.train import complete

    assert "experiment=digits" in complete("experiment=")
    assert complete("exp") == ["experiment="]


def test_tables_lose_no_word_at_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from htmrun.config.compose import load
    from htmrun.config.explain import sections

    monkeypatch.setattr("htmrun.cli.listing.WIDTH_OF_FILES", 80)
    assert main(["show", "digits"]) == 0
    text = capsys.readouterr().out
    assert max(len(line) for line in text.splitlines()) <= 80
    printed = set(text.split())
    for section in sections(load(["experiment=digits"]).experiment):
        for row in section.rows:
            assert set(row.description.split()) <= printed, row.path
            assert row.path in printed, "a path is there to be copied"


@pytest.mark.parametrize(
    "module", [train, resume, rerun, export, sweep, show, compare, dashboard, doctor]
)
def test_help_fits_80_columns_and_keeps_its_examples(
    module: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main([module.NAME, "--help"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    for typed, what in module.USAGE.items():
        assert any(typed in line and what in line for line in text.splitlines())
    # Types in angle brackets are for programmers, not for readers.
    assert not re.search(r"<[a-z]", text)


def test_the_examples_of_help_name_options_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    for module in (show, compare, dashboard, doctor, resume, rerun, export):
        main([module.NAME, "--help"])
        text = capsys.readouterr().out.partition("Options:")[2]
        for typed in module.USAGE:
            assert typed.startswith(f"htmrun {module.NAME}")
            for word in typed.split():
                assert not word.startswith("-") or f"{word} " in text or f"{word}," in text, typed


def test_a_dry_run_loses_no_word_on_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from rich.console import Console

    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setattr(
        "htmrun.cli.terminal.experiment.console", lambda: Console(width=40, no_color=True)
    )
    description = "A sentence that is much longer than forty columns can ever be, to the end."
    assert main(["train", "experiment=digits", f"description='{description}'", "--dry-run"]) == 0
    assert set(description.split()) <= set(capsys.readouterr().out.split())


def test_a_report_is_written_once_the_run_is_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[object] = []

    def run_experiment(*_: object, afterwards: Callable[[str], None], **__: object) -> int:
        afterwards("20261122-041530-digits-3f2a")
        return 0

    monkeypatch.setattr("htmrun.cli.running.run_experiment", run_experiment)
    monkeypatch.setattr(
        "htmrun.cli.terminal.comparison_table.write_report", lambda *a: seen.append(a)
    )
    page = tmp_path / "page"
    assert main(["train", "experiment=digits", "--report", str(page)]) == 0
    chosen = Choice(("20261122-041530-digits-3f2a",), force=True)
    assert seen == [(chosen, page)]
    page.write_text("")
    for words, message in (
        (["--report", str(page)], f"--report: {page} is a file, expected a folder"),
        (["tracking=none", "--report", "x"], "--report: found tracking=none, expected a run"),
    ):
        assert message in error_of(capsys, ["train", "experiment=digits", *words])
    assert len(seen) == 1
