"""Fields, overrides, YAML, flags, stores and variables with something wrong, and what is said."""

# ruff: noqa: E501 - a row is a line.
from __future__ import annotations

from functools import partial

from tests.cli.bad_files import GOOD, file, write
from tests.helpers.bad_input import Bad

DIGITS, STREAM = ("experiment=digits",), ("experiment=stream",)
DEEP = 3000


def nothing() -> None:
    """Make no file."""


FIELDS: list[tuple[str, str, str]] = [
    ("target=nan", "target", "a finite number"),
    ("target=inf", "target", "a finite number"),
    ("target=-.inf", "target", "a finite number"),
    ("target=1e999", "target", "a finite number"),
    ("sp.density=nan", "sp.density", "number > 0"),
    ("sp.boost_strength=inf", "sp.boost_strength", "number"),
    ("sp.boost_strength=1e308", "sp.boost_strength", "number"),
    ("checkpoint_every=nan", "checkpoint_every", "number"),
    ("classifier.learning_rate=nan", "classifier.learning_rate", "number"),
    ("cluster.cpus=nan", "cluster.cpus", "number"),
    ("arm.mine.learn_every={start:1,factor:nan}", "arm.mine.learn_every.factor", "number"),
    ("sp.columns=-1", "sp.columns", "integer"),
    ("sp.columns=1e3", "sp.columns", "integer"),
    ("sp.columns=99999999999999999999", "sp.columns", "integer"),
    ("sp.columns=[1]", "sp.columns", "integer"),
    ("sp.columns=", "sp.columns", "integer"),
    ("sp.columns=null", "sp.columns", "integer"),
    ("sp.columns={a:{b:{c:1}}}", "sp.columns", "integer"),
    ("sp.columns=0x10", "sp.columns", "integer"),
    ("epochs=" + "9" * 5000, "epochs", "digits"),
    ("epochs=1e400", "epochs", "integer"),
    ("seeds=[0,0]", "seeds", "each seed once"),
    ("seeds=[9223372036854775808]", "seeds[0]", ""),
    ("seeds=[nan]", "seeds[0]", ""),
    ("seeds=[true]", "seeds[0]", ""),
    ("seeds={a:1}", "seeds", "list"),
    ("sp.column_shape=[-64,32]", "sp.column_shape", ""),
    ("sp.column_shape=[0]", "sp.column_shape", ""),
    ("sp.column_shape=[]", "sp.column_shape", ""),
    ("encoder.threshold=1e308", "encoder.threshold", ""),
    ("name=../../evil", "name", "letters"),
    ("name=" + "n" * 300, "name", ""),
    ("tracking.experiment=../../evil", "tracking.experiment", ""),
    ("pipeline=[]", "pipeline", ""),
    ("pipeline=[encoder,encoder,classifier]", "pipeline", ""),
    ("pipeline=[sp]", "", "error"),
    ("device=cuda:99999999999999999999", "device", ""),
    ("curve_points=1e9", "curve_points", "integer"),
    ("noise_images=-1", "noise_images", ""),
    ("workers=0", "workers", ""),
    ("threads=1000000", "threads", ""),
    ("data.test_fraction=1e-320", "data.test_fraction", ""),
]  # fmt: skip

OVERRIDES: list[tuple[str, str]] = [
    ("sp.columns.a.b.c.d=1", "sp.columns"),
    ("sp=[1,2]", "sp"),
    ("sp=3", "sp"),
    ("sp={kind:spatial_pooler}", "sp"),
    ("+sp@here=default", ""),
    ("sp.columns=${sp.columns}", "sp.columns"),
    ("sp.columns=${", "sp.columns"),
    ("sp.columns=${oc.env:HOME}", "sp.columns"),
    ("sp.columns=${oc.env:NOT_THERE}", "sp.columns"),
    ("sp.columns=${nothing:1}", "sp.columns"),
    ("epochs=${epochs}", "epochs"),
    ("'seeds=" + "[" * DEEP + "]" * DEEP + "'", "seeds"),
    ("'sp.x=" + "{a:" * 200 + "1" + "}" * 200 + "'", "sp.x"),
    ("'" + ".".join("a" * 500) + "=1'", "a.a"),
    ("'sp.columns=\"unclosed'", "sp.columns"),
    ("'sp.columns=a\x1bb'", "sp.columns"),
    ("'sp.col\numns=3'", "override"),
    ("'=" + "x" * 100 + "'", "override"),
    ("'sp.columns=range(1,9)'", "sp.columns"),
    ("'sp.columns=choice(1,2)'", "sp.columns"),
    ("'sp.columns=glob(*)'", "sp.columns"),
    ("'sp.columns=int(x)'", "sp.columns"),
    ("~sp", ""),
    ("'seeds=[" + ",".join(map(str, range(20_000))) + "]'", "seeds"),
    ("~nothing.here", "nothing.here"),
    ("~", "override"),
    ("++++=1", "override"),
    ("hydra.run.dir=/tmp/x", "hydra"),
    ("hydra/launcher=x", "hydra"),
    ("config_name=x", "config_name"),
    ("defaults=[sp]", "defaults"),
    ("'_self_=3'", "_self_"),
    ("'a b=3'", "override"),
    ("'é=3'", "override"),
]  # fmt: skip

YAML: list[tuple[str, str | bytes, str]] = [
    ("control characters", "device: a\x01b\n", "own.yaml:"),
    ("bytes of latin-1", "device: h\xf6he\n".encode("latin-1"), "own.yaml:"),
    ("zero bytes", b"\0" * 99, "own.yaml:"),
    ("a bare number", "5\n", "own.yaml"),
    ("a bare text", "hello\n", "own.yaml"),
    ("a list", "- a\n- b\n", "own.yaml"),
    ("two documents", "a: 1\n---\nb: 2\n", "own.yaml"),
    ("a tab", "sp:\n\tcolumns: 3\n", "own.yaml:"),
    ("a quote that never ends", "device: 'a\n", "own.yaml"),
    ("3,000 brackets", "seeds: " + "[" * DEEP + "]" * DEEP + "\n", "own.yaml:"),
    ("3,000 sections", "".join(f"{' ' * i}a:\n" for i in range(DEEP)), "own.yaml"),
    ("brackets that never end", "seeds: " + "[" * DEEP, "own.yaml:"),
    ("a number of 5,000 digits", "epochs: " + "9" * 5000 + "\n", "own.yaml:"),
    ("a hexadecimal number of 5,000 digits", "epochs: 0x" + "f" * 5000 + "\n", "own.yaml:"),
    ("anchors in anchors", "a: &a [x,x]\n" + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(20)), "own.yaml"),
    ("an anchor inside itself", "a: &a [*a]\n", "own.yaml:"),
    ("an alias of nothing", "a: *b\n", "own.yaml:"),
    ("merges of merges", "a: &a {x: 1}\nb: {<<: [*a, 3], y: 2}\n", "own.yaml:"),
    ("a key twice", "epochs: 1\nepochs: 2\n", "own.yaml:"),
    ("a key that is a list", "? [a, b]\n: 1\n", "own.yaml"),
    ("a key that is a number", "5: 1\n", "5"),
    ("a tag of Python", "a: !!python/object/apply:os.system [ls]\n", "own.yaml:"),
    ("a tag of its own", "a: !thing 1\n", "own.yaml:"),
    ("a date", "device: 2026-01-01\n", "device"),
    ("a date that is none", "device: 2026-13-45\n", "device"),
    ("binary", "device: !!binary aGVsbG8=\n", "device"),
    ("a set", "seeds: !!set {1, 2}\n", "own.yaml:"),
    ("17 MB", "description: " + "x" * (17 << 20) + "\n", "own.yaml"),
    ("a text of a page", "device: " + "x " * 5000 + "\n", "device"),
    ("a key of a page", "x" * 5000 + ": 1\n", "x"),
    ("an interpolation in a circle", "epochs: ${curve_points}\ncurve_points: ${epochs}\n", "epochs"),
    ("an interpolation of nothing", "epochs: ${nothing.here}\n", "epochs"),
    ("an interpolation cut off", "epochs: ${\n", "'${'"),
    ("an interpolation of a resolver", "epochs: ${oc.decode:'[[['}\n", "epochs"),
]  # fmt: skip
ALONE = (
    "control characters",
    "bytes of latin-1",
    "a bare number",
    "3,000 brackets",
    "anchors in anchors",
    "17 MB",
)
CIRCLES: list[tuple[str, dict[str, str], str]] = [
    ("defaults in a circle", {"experiment/own.yaml": "defaults:\n  - other\n", "experiment/other.yaml": "defaults:\n  - own\n"}, "defaults"),
    ("a default of itself", {"experiment/own.yaml": "defaults:\n  - own\n"}, "defaults"),
    ("defaults that are a text", {"experiment/own.yaml": "defaults: sp\n"}, "own"),
    ("defaults that are numbers", {"experiment/own.yaml": "defaults: [1, 2]\n"}, "defaults"),
    ("a default that is a list", {"experiment/own.yaml": "defaults: [[a]]\n"}, "defaults"),
    ("a default that is nowhere", {"experiment/own.yaml": "defaults: [/sp: nowhere]\n"}, "sp"),
    ("a package that is none", {"experiment/own.yaml": "# @package a..b\nepochs: 1\n"}, ""),
]  # fmt: skip

URIS = [
    "nonsense", "http://", "https://:5000", "http://localhost:99999", "http://localhost:port", "http://localhost:-1",
    "'http://local host:5000'", "http://[::1", "' '",     "sqlite://", "sqlite:///", "sqlite:////proc/x.db", "sqlite:///a.csv", "sqlite:////tmp", "'sqlite:///a\nb'", "file:///tmp/x",
    "postgresql://localhost:port/x", "mysql://localhost:99999/x", "oracle://x", "ftp://localhost",
    "http://localhost:0", "'http://a\x01'", "///", "http:/localhost", "/tmp/x", "3", "true", "[a]", "{a:b}",
]  # fmt: skip

FLAGS: list[tuple[str, str]] = [
    ("runs --since 99999999999d", "--since"),
    ("runs --since 1e9d", "--since"),
    ("runs --since '999999999999999999999999999999w'", "--since"),
    ("runs --since " + "9" * 400 + "d", "--since"),
    ("runs --since 10000-01-01", "--since"),
    ("runs --since 0001-01-01", ""),
    ("runs --since '2026-13-01'", "--since"),
    ("runs --before nan", "--before"),
    ("runs --since ''", "--since"),
    ("runs --where accuracy", "--where"),
    ("runs --where 'accuracy>'", "--where"),
    ("runs --where 'accuracy>x'", "--where"),
    ("runs --where 'accuracy>nan'", "--where"),
    ("runs --tag x", "--tag"),
    ("runs --status dead", "--status"),
    ("runs --limit 0", "--limit"),
    ("runs --limit 99999999999999999999", ""),
    ("runs --format xml", "format: found 'xml'"),
    ("runs --dir /dev/null", "/dev/null"),
    ("runs --nothing", "--nothing"),
    ("run", "run: unknown command"),
    ("train experiment=digits --on mars", "--on"),
    ("train experiment=digits --on ray://", "--on"),
    ("train experiment=digits --on ray://a:port", "--on: found 'ray://a:port'"),
    ("train experiment=digits --config-dir nowhere", "--config-dir"),
    ("train experiment=digits --config-dir /dev/null", "--config-dir"),
    ("train experiment=digits --import nowhere", "nowhere"),
    ("train experiment=digits --report /dev/null", "--report"),
    ("train experiment=digits --report /proc/nowhere", "--report"),
    ("train nowhere.yaml", "nowhere.yaml"),
    ("train 'a\nb.yaml'", "a\\nb.yaml"),
    ("show nowhere", "nowhere"),
    ("show experiment=", "experiment"),
    ("show ../../etc/passwd", ""),
    ("resume nowhere", ""),
    ("rerun nowhere", "no runs yet"),
    ("compare nowhere", ""),
    ("clean nowhere", ""),
    ("dashboard --port 99999", "--port"),
    ("dashboard --port x", "--port"),
    ("export nowhere there", ""),
]  # fmt: skip

SWEEPS: list[tuple[str, str]] = [
    ("'sp.columns=integer(64,128)' 'sp.columns=integer(64,256)'", "sp.columns"),
    ("'sp.columns=choice(64,128)' sp.columns=64", "sp.columns"),
    ("'sp.columns=integer(128,64)'", "sp.columns"),
    ("'sp.columns=integer(1,nan)'", "sp.columns"),
    ("'sp.boost_strength=interval(0,inf)'", "sp.boost_strength"),
    ("'sp.boost_strength=interval(0,1e308)'", "sp.boost_strength"),
    ("'sp.columns=integer(1,99999999999999999999)'", "sp.columns"),
    ("'sp.columns=choice()'", "sp.columns"),
    ("'sp.columns=choice(" + "[" * DEEP + ")'", "sp.columns"),
    ("'sp.columns=choice(1,1)'", "sp.columns"),
    ("'sp.columns=choices(1,2)'", "sp.columns"),
    ("'sp.colums=choice(1,2)'", "sp.colums"),
    ("'data.path=choice(a,b)'", "data.path"),
    ("'sp.density=choice(0.02,nan)'", "sp.density"),
    ("'sp.columns=choice(64,128)' sweep.trials=0", "sweep.trials"),
    ("'sp.columns=choice(64,128)' sweep.sampler=x", "sweep.sampler"),
    ("'sp.columns=choice(64,128)' sweep.name=../x", "sweep.name"),
    ("'sp.columns=choice(64,128)' 'sweep.objectives={accuracy: up}'", "sweep.objectives"),
    ("'sp.columns=choice(64,128)' 'sweep.storage=http://x'", "sweep.storage"),
    ("'sp.columns=choice(64,128)' 'sweep.storage=/proc/x'", "sweep.storage"),
    ("sweep=nowhere", "sweep"),
    ("", "sweep.space"),
]  # fmt: skip

ENVIRONMENT: list[tuple[str, dict[str, str | None], str, str]] = [
    *((f"NUMBA_NUM_THREADS={v}", {"NUMBA_NUM_THREADS": v}, "train my.yaml --dry-run", "NUMBA_NUM_THREADS") for v in ("0", "-1", "x", "1.5", "99999999")),
    ("NUMBA_THREADING_LAYER", {"NUMBA_THREADING_LAYER": "x"}, "train my.yaml --dry-run", "NUMBA_THREADING_LAYER"),
    ("MLFLOW_HTTP_REQUEST_TIMEOUT", {"MLFLOW_HTTP_REQUEST_TIMEOUT": "soon"}, "runs --uri sqlite:///x.db", "MLFLOW_HTTP_REQUEST_TIMEOUT"),
    ("MLFLOW_LOGGING_LEVEL", {"MLFLOW_LOGGING_LEVEL": "LOUD"}, "runs", "MLFLOW_LOGGING_LEVEL"),
    ("MLFLOW_TRACKING_INSECURE_TLS", {"MLFLOW_TRACKING_INSECURE_TLS": "maybe"}, "runs --uri sqlite:///x.db", "MLFLOW_TRACKING_INSECURE_TLS"),
    ("HTMRUN_", {"HTMRUN_NOTHING": "1"}, "runs", "no runs yet"),
    ("COLUMNS=0", {"COLUMNS": "0"}, "runs", "no runs yet"),
    ("COLUMNS=x", {"COLUMNS": "x"}, "runs", "no runs yet"),
    ("COLUMNS=-5", {"COLUMNS": "-5"}, "runs", "no runs yet"),
    ("COLUMNS=10^30", {"COLUMNS": "1" + "0" * 30}, "runs", "no runs yet"),
    ("HOME missing", {"HOME": None, "XDG_CACHE_HOME": None}, "runs", "no runs yet"),
    ("HOME nowhere", {"HOME": "/nowhere", "XDG_CACHE_HOME": None}, "runs", "no runs yet"),
    ("HOME in data.path", {"HOME": None}, "train experiment=stream 'data.path=\"~nobody-at-all/x.csv\"'", "data.path"),
    ("TMPDIR nowhere", {"TMPDIR": "/nowhere"}, "runs", "no runs yet"),
    ("a locale that is none", {"LC_ALL": "xx_YY.UTF-99", "LANG": "xx"}, "runs", "no runs yet"),
    ("TZ that is none", {"TZ": "Nowhere/Nowhere"}, "runs --since 2026-99-99", "--since"),
    ("XDG_CACHE_HOME that is a file", {"XDG_CACHE_HOME": "/dev/null"}, "train experiment=mnist", "XDG_CACHE_HOME"),
    ("MPLBACKEND", {"MPLBACKEND": "nonsense"}, "runs", "no runs yet"),
    ("TERM", {"TERM": "nothing"}, "runs", "no runs yet"),
]  # fmt: skip

MEMORY: list[tuple[str, tuple[str, ...], str]] = [
    ("ten million columns", ("experiment=digits", "sp.columns=10000000"), "sp.columns"),
    ("ten million columns of a memory", ("experiment=stream", "sp.columns=10000000"), "classifier: "),
    ("an encoder of 16 million bits", ("experiment=stream", "encoder.fields.value.size=16000000"), "sp.columns"),
]  # fmt: skip


def own(content: str | bytes) -> None:
    content = content if isinstance(content, bytes) else content.encode()
    write("conf/experiment/own.yaml", b"# @package _global_\n" + content)


def together(files: dict[str, str]) -> None:
    for name, content in files.items():
        write(f"conf/{name}", content)


def alone(content: str | bytes) -> None:
    write("own.yaml", content)


BAD = [
    *(Bad(f"field: {text[:60]}", nothing, f"train my.yaml '{text}'", field, given=DIGITS) for text, field, _ in FIELDS),
    *(Bad(f"override: {text[:60]!r}", nothing, f"train experiment=digits {text}", field) for text, field in OVERRIDES),
    *(Bad(f"yaml in a folder: {name}", partial(own, content), "train experiment=own name=own --config-dir conf", expected) for name, content, expected in YAML),
    *(Bad(f"yaml: {name}", partial(alone, content), "train own.yaml", expected) for name, content, expected in YAML if name in ALONE),
    *(Bad(f"yaml: {name}", partial(together, files), "train experiment=own name=own --config-dir conf", expected) for name, files, expected in CIRCLES),
    *(Bad(f"store: {uri[:60]}", file("a.csv", GOOD), f"train my.yaml device=reference tracking.uri={uri}", "tracking.uri", given=DIGITS) for uri in URIS),
    *(Bad(f"flag: {command[:70]!r}", nothing, command, expected) for command, expected in FLAGS),
    *(Bad(f"sweep: {text[:70]}", nothing, f"sweep experiment=digits {text}", expected) for text, expected in SWEEPS),
    *(Bad(f"variable: {name}", file("x.db", b""), command, expected, env=env, given=DIGITS) for name, env, command, expected in ENVIRONMENT),
    *(Bad(f"memory: {name}", nothing, "train my.yaml", expected, given=given) for name, given, expected in MEMORY),
]  # fmt: skip
