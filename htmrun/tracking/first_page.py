"""MLflow's first page as htmrun shows it: without the assistant, arms in their own colours."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

# MLflow 3.17 has no option for either: its page opens the assistant by itself where the browser's
# storage does not say that it has done so, and takes the colours of groups of runs from there.
_OPENED = "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1"
_COLOURS = "experimentRunColors"
_SCRIPT = """<style>[data-assistant-ui="true"]{display:none!important}</style><script>(function(){
try{var s=window.localStorage;
if(s.getItem("%(opened)s")===null)s.setItem("%(opened)s","true");
var c=JSON.parse(s.getItem("%(colours)s")||"{}"),own=%(own)s;
for(var k in own)if(!(k in c))c[k]=own[k];
s.setItem("%(colours)s",JSON.stringify(c));
}catch(e){}})()</script>"""
# Of an answer that is changed, what spoke of the file.
_OF_THE_FILE = (b"content-length", b"etag", b"last-modified", b"accept-ranges", b"cache-control")
_CONDITIONS = (b"if-none-match", b"if-modified-since", b"range", b"accept-encoding")
_LOOK_EVERY_S = 0.5


def script(colours: Mapping[str, str]) -> str:
    """Return what is put into the page; `colours` maps a group of runs to its colour."""
    # "<" would end the script where a name has it.
    own = json.dumps(dict(colours)).replace("<", "\\u003c")
    return _SCRIPT % {"opened": _OPENED, "colours": _COLOURS, "own": own}


@dataclass(frozen=True)
class FirstPage:
    """Puts `script` into the page at `/` of an ASGI application, and changes nothing else."""

    inside: Application
    script: str

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Hand a request on; of the first page's answer, put the script in."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] != "/":
            await self.inside(scope, receive, send)
            return
        asked = [pair for pair in scope["headers"] if pair[0] not in _CONDITIONS]
        begun: list[Message] = []
        body: list[bytes] = []

        async def change(message: Message) -> None:
            if message["type"] == "http.response.start":
                begun.append(message)
            elif message["type"] == "http.response.body":
                body.append(message.get("body", b""))
                if not message.get("more_body", False):
                    await self._send(begun[0], b"".join(body), send)
            else:
                await send(message)

        await self.inside({**scope, "headers": asked}, receive, change)

    async def _send(self, start: Message, body: bytes, send: Send) -> None:
        headers = list(start["headers"])
        if dict(headers).get(b"content-type", b"").startswith(b"text/html"):
            body = body.replace(b"<head>", b"<head>" + self.script.encode(), 1)
            headers = [pair for pair in headers if pair[0].lower() not in _OF_THE_FILE]
            headers += [
                (b"content-length", str(len(body)).encode()),
                (b"cache-control", b"no-store"),
            ]
        await send({**start, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def end_with(parent: int) -> None:
    """End this process, as SIGTERM does, once `parent` is its parent no longer.

    So the interface goes also where the command that serves it is killed (kill -9), on Linux and
    macOS alike; what Linux has for it (PR_SET_PDEATHSIG) would miss a parent that died before.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_EVERY_S)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="htmrun-parent", daemon=True).start()
