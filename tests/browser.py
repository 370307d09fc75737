"""A headless Chromium, spoken to through its DevTools protocol with the standard library alone.

Pages are opened from disk, as readers do. What scripts say in error, and every request beyond the page itself, is
collected.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import socket
import struct
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def installed() -> str | None:
    """The program, if there is one."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class _Socket:
    """A WebSocket (RFC 6455), text frames only."""

    def __init__(self, address: str) -> None:
        host, _, path = address.removeprefix("ws://").partition("/")
        name, port = host.split(":")
        self.stream = socket.create_connection((name, int(port)), timeout=60)
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        lines = [f"GET /{path} HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}"]
        self.stream.sendall(("\r\n".join([*lines, "Sec-WebSocket-Version: 13"]) + "\r\n\r\n").encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += self.stream.recv(1)

    def send(self, text: str) -> None:
        content, mask = text.encode(), secrets.token_bytes(4)
        size = len(content)
        head = b"\x81" + (
            bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack(">H", size) if size < 1 << 16 else b"\xff" + struct.pack(">Q", size)
        )
        self.stream.sendall(head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(content)))

    def receive(self) -> str:
        content = b""
        while True:
            first, second = self._exactly(2)
            size = second & 0x7F
            if size == 126:
                (size,) = struct.unpack(">H", self._exactly(2))
            elif size == 127:
                (size,) = struct.unpack(">Q", self._exactly(8))
            content += self._exactly(size)
            if first & 0x80:
                return content.decode()

    def _exactly(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            part = self.stream.recv(size - len(found))
            if not part:
                raise ConnectionError("the browser has gone")
            found += part
        return found


class Browser:
    """One page. `errors` holds what the console said in error, `requests` the addresses that were asked for."""

    def __init__(self, width: int = 1280, height: int = 900) -> None:
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        program = installed()
        assert program is not None
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars", "--remote-debugging-port=0"]
        arguments = [program, *options, f"--window-size={width},{height}", f"--user-data-dir={self.folder.name}", "about:blank"]
        self.process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | {"LANG": "C.UTF-8"})
        port = self._port()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=60) as answer:
            (target, *_) = [one for one in json.load(answer) if one["type"] == "page"]
        self._socket, self._number = _Socket(target["webSocketDebuggerUrl"]), 0
        self.errors: list[str] = []
        self.requests: list[str] = []
        self._loaded = False
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.resize(width, height)

    def _port(self) -> int:
        told = Path(self.folder.name) / "DevToolsActivePort"
        for _ in range(600):
            if told.exists() and (lines := told.read_text().split()):
                return int(lines[0])
            time.sleep(0.1)
        raise TimeoutError("the browser did not start")

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)
        self.folder.cleanup()

    def call(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        number = self._number
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            found = self._next()
            if found.get("id") == number:
                assert "error" not in found, found
                return found["result"]

    def _next(self) -> Any:
        found = json.loads(self._socket.receive())
        parameters = found.get("params", {})
        match found.get("method"):
            case "Runtime.exceptionThrown":
                self.errors.append(str(parameters["exceptionDetails"].get("exception", parameters["exceptionDetails"])))
            case "Log.entryAdded" if parameters["entry"]["level"] == "error":
                self.errors.append(parameters["entry"]["text"])
            case "Runtime.consoleAPICalled" if parameters["type"] in ("error", "assert"):
                self.errors.append(str(parameters["args"]))
            case "Network.requestWillBeSent":
                self.requests.append(parameters["request"]["url"])
            case "Page.loadEventFired":
                self._loaded = True
        return found

    def resize(self, width: int, height: int) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500)

    def open(self, path: Path) -> None:
        self._loaded = False
        self.call("Page.navigate", url=path.resolve().as_uri())
        while not self._loaded:
            self._next()

    def run(self, script: str) -> Any:
        """The value of an expression of the page."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def media(self, **features: str) -> None:
        """Another medium ("print"), or what the reader prefers (prefers_color_scheme="dark")."""
        medium = features.pop("medium", "")
        listed = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.call("Emulation.setEmulatedMedia", media=medium, features=listed)

    def screenshot(self, path: Path, whole: bool = True) -> None:
        found = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))
