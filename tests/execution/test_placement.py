"""Where an experiment runs: named, chosen, refused, and how many models fit."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import pytest

from htmrun.backends.cuda import cards, footprint
from htmrun.backends.cuda.classifier.sdr_classifier import SDRClassifierGroup
from htmrun.backends.cuda.pooler.online import OnlineKernels
from htmrun.backends.parameters import SDRModelParameters, SpatialPoolerParameters
from htmrun.cli import main
from htmrun.components.stages.memory import MemoryStage
from tests.helpers import host_card
from tests.helpers.experiments import train
from tests.helpers.kernels.host import HostModules

GONE = "data.path=/nowhere/at/all"
DIGITS = (
    "experiment=digits", "arms=[online]", "seeds=[0]", "epochs=1", "sp.columns=64",
    "data.test_fraction=0.9", "tracking=none",
)  # fmt: skip
MIB = 1 << 20


def fake_cupy(available: bool, count: int = 2, nvrtc: bool = True):
    """What `cards` reads of CuPy."""

    class Device:
        def __init__(self, index):
            pass

        def __enter__(self):
            pass

        def __exit__(self, *_):
            pass

    def version():
        if not nvrtc:
            raise RuntimeError("libnvrtc.so.12 not found\nand more")
        return 12, 9

    runtime = SimpleNamespace(
        getDeviceCount=lambda: count,
        getDeviceProperties=lambda index: {"name": f"Card {index}".encode()},
        memGetInfo=lambda: (3 << 30, 4 << 30),
    )
    cuda = SimpleNamespace(
        is_available=lambda: available,
        nvrtc=SimpleNamespace(getVersion=version),
        runtime=runtime,
        Device=Device,
    )
    return SimpleNamespace(cuda=cuda, __version__="14.2.0")


@pytest.mark.parametrize(
    ("cupy", "device", "said"),
    [
        (None, "cuda", "found 'cuda' without CuPy; pip install 'htmrun[cuda12]' or"),
        (fake_cupy(False), "cuda:1", "without a CUDA device: CuPy 14.2.0 sees none, expected"),
        (fake_cupy(True, nvrtc=False), "cuda", "without NVRTC, which compiles the kernels (libnv"),
        (fake_cupy(True), "cuda:2", "found 'cuda:2', expected one of cuda:0, cuda:1"),
    ],
)
def test_a_card_that_is_not_there_is_one_line_before_any_data(
    cupy, device, said, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    assert main(["train", "experiment=mnist", GONE, f"device={device}"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: device: ")
    assert said in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("raise ImportError('libcuda.so.1: not found')", "imported (libcuda.so.1: not found); pip"),
        ("import cuda_that_is_not_there", "imported (No module named 'cuda_that_is_not_there'); "),
    ],
)
def test_a_cupy_that_cannot_be_imported_says_why(content, said, monkeypatch, tmp_path):
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    (tmp_path / "cupy.py").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    assert f"a CuPy that can be {said}" in (cards.lacking() or "")


def test_a_card_that_is_there(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy(True))
    assert cards.lacking() is None
    assert cards.card(1) == cards.Card(1, "Card 1", 3 << 30, 4 << 30)
    assert cards.card(1).device == "cuda:1"


def test_auto_takes_the_processor_where_there_is_no_card_and_says_so(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "cupy", None)
    named, _ = train(capsys, *DIGITS, "device=cpu")
    chosen, said = train(capsys, *DIGITS, "device=auto")
    assert "device: auto chose cpu: a card would need CuPy" in said
    assert chosen["arms"]["online"]["state_hash"] == named["arms"]["online"]["state_hash"]


def test_stages_without_kernels_are_refused_and_auto_says_so(monkeypatch, capsys, build_folder):
    host_card.put_in(monkeypatch, build_folder)
    monkeypatch.setattr(MemoryStage, "devices", ("cpu", "reference"))
    with_memory = ("experiment=sequences", "arms=[online]", "tracking=none", "--dry-run")
    assert main(["train", *with_memory[:-1], "device=cuda"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: device: found 'cuda' with tm (temporal_memory), which has no")
    assert main(["train", *with_memory, "device=auto"]) == 0
    text = capsys.readouterr().out
    assert "auto chose cpu: tm (temporal_memory) has no kernels for a card yet" in text
    # An arm that leaves the stage out can run.
    assert main(["train", *with_memory, "device=cuda", "arms=[no_tm]"]) == 0
    assert "cannot run here" not in capsys.readouterr().out


def test_auto_with_a_network_goes_where_torch_can(monkeypatch, capsys, build_folder):
    import torch

    host_card.put_in(monkeypatch, build_folder)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["train", "experiment=sparse_digits", "device=auto", "--dry-run"]) == 0
    assert "auto chose cpu: this build of torch sees no card" in capsys.readouterr().out


def test_what_auto_chose_is_recorded(monkeypatch, capsys, tmp_path):
    from mlflow.tracking import MlflowClient

    monkeypatch.setitem(sys.modules, "cupy", None)
    train(capsys, *DIGITS[:-1], "device=auto", f"tracking.dir={tmp_path}")
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    experiment = client.get_experiment_by_name("digits")
    runs = client.search_runs([experiment.experiment_id])
    assert {run.data.tags["htmrun.device"] for run in runs} == {"cpu"}
    for run in runs:
        assert run.data.tags["htmrun.device_reason"].startswith("a card would need CuPy")
        assert run.data.params["device"] == "auto"


@pytest.fixture
def small_card(build_folder, monkeypatch):
    """Let `cuda:0` have room for as many bytes as asked for."""

    def put(free: int) -> None:
        card = cards.Card(0, "host runner", free, 64 * MIB)
        host_card.put_in(monkeypatch, build_folder, card)

    return put


def test_a_model_that_does_not_fit_is_refused_before_it_starts(small_card, capsys):
    small_card(400 << 10)
    assert main(["train", *DIGITS, "device=cuda"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: device: one model needs ")
    assert "360 KiB of 64 MiB are free on cuda:0, expected device=cpu or smaller" in error


def test_more_workers_than_fit_are_refused_with_how_many_would(small_card, capsys):
    small_card(2 * MIB)
    many = ("seeds=[0,1,2,3,4,5,6,7]", "workers=8")
    assert main(["train", *DIGITS, "device=cuda", *many]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: workers: 8 models at once need ")
    fitting = int(error.split("expected workers=")[1].split()[0])
    capsys.readouterr()
    assert main(["train", *DIGITS, "device=cuda", *many, "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    needed = plan["plan"][0]["device_bytes"]
    assert needed * fitting <= 0.9 * 2 * MIB < needed * (fitting + 1)


def test_a_dry_run_says_what_a_card_would_hold(small_card, capsys):
    small_card(32 * MIB)
    assert main(["train", *DIGITS, "device=auto", "seeds=[0,1,2]", "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert "auto chose cuda:0 (host runner): a card is there; 32 MiB of 64 MiB free" in text
    assert "3 at a time on cuda:0: about" in text


def test_a_dry_run_plans_for_a_card_elsewhere(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert main(["train", *DIGITS, "device=cuda", "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert "It cannot run here: device: found 'cuda' without CuPy" in text
    assert "1 at a time on cuda: about" in text


def test_doctor_says_what_is_missing(monkeypatch, capsys, tmp_path):
    for cupy, said in (
        (None, "without CuPy; pip install 'htmrun[cuda12]'"),
        (fake_cupy(False), "without a CUDA device: CuPy 14.2.0 sees none"),
        (fake_cupy(True), "2 cards; cuda:0 is Card 0, 3.0 of 4.0 GiB free"),
    ):
        monkeypatch.setitem(sys.modules, "cupy", cupy)
        assert main(["doctor", "--dir", str(tmp_path)]) == 0
        assert said in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(("inputs", "columns"), [(33, 70), (784, 2048), (16384, 2100)])
def test_the_estimate_is_what_a_pooler_allocates(inputs, columns, build_folder):
    from tests.helpers.kernels import host

    device = HostModules(lambda file: host.build(file, build_folder)).device()
    device.launch = lambda *_: None  # the arrays alone: filling them takes a while
    parameters = SpatialPoolerParameters(columns=columns, winners=3)
    made = OnlineKernels(parameters, (inputs,), [1, 2], device, "any")
    arrays = [a for a in vars(made).values() if hasattr(a, "nbytes")]
    assert sum(a.nbytes for a in arrays) == 2 * footprint.pooler_state(parameters, (inputs,))
    lists = sum(a.nbytes for a in made._list_arrays())
    assert lists == 2 * footprint.online_lists(inputs, columns, 3)


def test_the_estimate_is_what_a_classifier_allocates(build_folder):
    from tests.helpers.kernels import host

    device = HostModules(lambda file: host.build(file, build_folder)).device()
    made = SDRClassifierGroup(SDRModelParameters(), 70, 9, 3, device)
    # How many samples each model has learned is counted on the host.
    arrays = [a for n, a in vars(made).items() if hasattr(a, "nbytes") and n != "_learned"]
    assert sum(a.nbytes for a in arrays) == 3 * footprint.classifier_state(70, 9)
