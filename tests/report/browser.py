"""A headless Chromium that a test drives by the DevTools protocol over a pipe: no port, no further package."""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path

NAMES = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"]


def find_browser():
    """VCAS_BROWSER, or what the machine has; None without any."""
    return os.environ.get("VCAS_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)


def high_pipe():
    """A pipe whose ends are not among the numbers that the browser expects its own at."""
    ends = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return high


class Browser:
    """One page of one browser. Use as a context manager."""

    def __init__(self, program, folder: Path):
        self.folder = folder
        self.events = []
        self.received = b""
        self.last_id = 0
        self.session = None
        flags = [
            "--headless", "--remote-debugging-pipe", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
            "--no-first-run", "--disable-background-networking", f"--user-data-dir={folder / 'profile'}",
        ]  # fmt: skip
        if os.geteuid() == 0:
            flags.append("--no-sandbox")  # Chromium refuses to run as root with it
        commands, self.commands = high_pipe()
        self.answers, answers = high_pipe()

        def connect():
            os.dup2(commands, 3)
            os.dup2(answers, 4)

        self.log = (folder / "browser.log").open("wb")
        self.process = subprocess.Popen([program, *flags], preexec_fn=connect, pass_fds=(3, 4), stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=self.log)  # fmt: skip
        os.close(commands)
        os.close(answers)

    def __enter__(self):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ["Page", "Runtime", "Log", "Network"]:
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, *_):
        try:  # asked, it takes its child processes with it
            self.session = None
            self.call("Browser.close", timeout=10)
            self.process.wait(timeout=10)
        except (AssertionError, OSError, TimeoutError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        self.log.close()
        os.close(self.commands)
        os.close(self.answers)

    def receive(self, deadline):
        """The next message, or None when there is none before the deadline."""
        while b"\0" not in self.received:
            ready, _, _ = select.select([self.answers], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                return None
            part = os.read(self.answers, 1 << 20)
            assert part, "the browser went away:\n" + (self.folder / "browser.log").read_text(errors="replace")
            self.received += part
        message, _, self.received = self.received.partition(b"\0")
        return json.loads(message)

    def call(self, method, timeout=60, **parameters):
        self.last_id += 1
        request = {"id": self.last_id, "method": method, "params": parameters}
        if self.session:
            request["sessionId"] = self.session
        data = json.dumps(request).encode() + b"\0"
        while data:
            data = data[os.write(self.commands, data) :]
        deadline = time.monotonic() + timeout
        while (message := self.receive(deadline)) is not None:
            if message.get("id") == self.last_id:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]
            self.events.append(message)
        raise TimeoutError(f"{method}: no answer within {timeout} s")

    def evaluate(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait_for(self, expression, timeout=60):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if value := self.evaluate(expression):
                return value
            time.sleep(0.1)
        raise TimeoutError(f"{expression}: not within {timeout} s")

    def show(self, page: Path, width=1200, height=900, dark=False, phone=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        self.call("Emulation.setTouchEmulationEnabled", enabled=phone)
        self.set_dark(dark)
        self.call("Page.navigate", url=page.resolve().as_uri())

    def set_dark(self, dark):
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def complaints(self):
        """Errors and warnings that the page wrote, exceptions, and requests to anywhere but its own file."""
        self.evaluate("0")  # what came before is then here
        found = []
        for event in self.events:
            method, parameters = event.get("method"), event.get("params", {})
            if method == "Runtime.exceptionThrown":
                found.append(parameters["exceptionDetails"])
            elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
                found.append(parameters["args"])
            elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
                found.append(parameters["entry"])
            elif method == "Network.requestWillBeSent" and parameters["request"]["url"].startswith(("http", "ws")):
                found.append(parameters["request"]["url"])
        return found

    def screenshot(self, file: Path):
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        image = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        file.write_bytes(base64.b64decode(image["data"]))
