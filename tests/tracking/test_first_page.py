"""MLflow's first page as htmrun hands it on; and that the server ends with its command."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from htmrun.tracking.first_page import FirstPage, script

PAGE = b"<!doctype html><html><head><title>MLflow</title></head></html>"


def asked(path: str, kind: bytes = b"text/html; charset=utf-8") -> tuple[dict[bytes, bytes], bytes]:
    """Return headers and body of what a page in two pieces becomes; conditions must not come in."""

    async def inside(scope: Any, _receive: Any, send: Any) -> None:
        assert path != "/" or dict(scope["headers"]) == {b"host": b"here"}
        headers = [(b"content-type", kind), (b"etag", b"x"), (b"content-length", b"61")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": PAGE[:20], "more_body": True})
        await send({"type": "http.response.body", "body": PAGE[20:]})

    told: list[Any] = []

    async def send(message: Any) -> None:
        told.append(message)

    async def receive() -> Any:
        return {}

    headers = [(b"host", b"here"), (b"if-none-match", b"x"), (b"accept-encoding", b"gzip")]
    scope = {"type": "http", "method": "GET", "path": path, "headers": headers}
    asyncio.run(FirstPage(inside, "<script>own</script>")(scope, receive, send))
    return dict(told[0]["headers"]), b"".join(one.get("body", b"") for one in told[1:])


def test_the_script_goes_into_the_first_page_and_into_nothing_else() -> None:
    headers, body = asked("/")
    assert body == PAGE.replace(b"<head>", b"<head><script>own</script>")
    assert headers[b"content-length"] == str(len(body)).encode()
    assert b"etag" not in headers, "a browser would keep the page as it was"
    for path, kind in (("/static-files/main.js", b"text/html"), ("/", b"application/json")):
        headers, body = asked(path, kind)
        assert (body, headers[b"etag"]) == (PAGE, b"x")


def test_names_of_arms_cannot_end_the_script() -> None:
    text = script({"param.arm.</script><b>": "#0072B2"})
    assert text.count("</script>") == 1
    own = text.partition("own=")[2].partition(";\n")[0]
    assert json.loads(own) == {"param.arm.</script><b>": "#0072B2"}


PARENT = """
import os, subprocess, sys, time
command = [sys.executable, "-c", sys.argv[1], str(os.getpid())]
child = subprocess.Popen(command, start_new_session=True)
print(child.pid, flush=True)
time.sleep(120)
"""
CHILD = """
import sys, time
from htmrun.tracking.first_page import end_with
end_with(int(sys.argv[1]))
time.sleep(120)
"""


@pytest.mark.parametrize("late", [False, True])
def test_the_server_ends_when_its_command_is_killed(late: bool) -> None:
    """Also where it was killed before the server had come far enough to look."""
    child_code = CHILD.replace("end_with(int", "time.sleep(1); end_with(int") if late else CHILD
    told = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", PARENT, child_code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=told) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        if not late:
            time.sleep(0.3)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        try:
            child.wait(30)
        finally:
            if child.is_running():
                child.kill()
