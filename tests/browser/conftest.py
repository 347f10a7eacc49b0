"JupyterLab and the app, which is Voila, on this machine, in Debian's Chromium driven by Playwright."
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import expect, sync_playwright

from vctutor.app import explorer, read_notebook

ROOT = Path(__file__).resolve().parents[2]
SHOTS = Path(os.environ["SHOTS"]) if "SHOTS" in os.environ else None  # folder for screenshots, to look at
WIDTHS = {"wide": 1280, "phone": 390}
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required"]


def chromium():
    "Where the browser is."
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name): return path
    raise FileNotFoundError("no Chromium: apt-get install chromium")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def jupyter_env(folder):
    "Settings of its own, so that the developer's Jupyter is left alone; one thread, so that two servers share two cores."
    for name, values in (("notebook-extension/tracker", {"windowingMode": "none"}),
                         ("apputils-extension/notification", {"fetchNews": "false", "checkForUpdates": False})):
        path = folder / f"lab/@jupyterlab/{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    return dict(os.environ, JUPYTERLAB_SETTINGS_DIR=str(folder / "lab"), JUPYTERLAB_WORKSPACES_DIR=str(folder / "workspaces"),
                JUPYTER_RUNTIME_DIR=str(folder / "runtime"), JUPYTER_CONFIG_DIR=str(folder / "config"), IPYTHONDIR=str(folder / "ipython"),
                PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}", PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1", PYTHONWARNINGS="ignore")


@contextmanager
def served(command, url, folder, *, cwd):
    "A server, from when it answers until it is no longer needed."
    log = folder / "server.log"
    with open(log, "wb") as out:
        server = subprocess.Popen(command, cwd=cwd, env=jupyter_env(folder), stdout=out, stderr=subprocess.STDOUT)
        try:
            for _ in range(300):
                if server.poll() is not None: raise RuntimeError(f"the server ended:\n{log.read_text()[-2000:]}")
                try:
                    urllib.request.urlopen(url, timeout=2)
                    break
                except OSError: time.sleep(0.2)
            else: raise TimeoutError(f"{url} does not answer:\n{log.read_text()[-2000:]}")
            yield server
        finally:
            server.terminate()
            server.wait(20)


@pytest.fixture(scope="session")
def notebooks(tmp_path_factory):
    """A copy of the notebooks, since JupyterLab saves what it opens, without their last cell, which exports; data/ is found through the package.
    In its folder widgets/ each lesson holds only what its widgets need, as in the app: that all cells run is tested page by page, without a browser."""
    folder = tmp_path_factory.mktemp("site") / "nbs"
    shutil.copytree(ROOT / "nbs", folder)
    (folder / "widgets").mkdir()
    for path in folder.glob("*.ipynb"):
        page = read_notebook(path)
        page.cells = [cell for cell in page.cells if "nbdev_export()" not in cell.source]
        for place, shown in ((path, page), (folder / "widgets" / path.name, explorer(page))): nbformat.write(shown, place)
    return folder


@pytest.fixture(scope="session")
def lab(notebooks, tmp_path_factory):
    "The address of a JupyterLab."
    port = free_port()
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--allow-root", "--IdentityProvider.token=",
               "--ServerApp.root_dir=.", "--expose-app-in-browser", "--ServerApp.log_level=WARN"]
    with served(command, f"http://127.0.0.1:{port}/api", tmp_path_factory.mktemp("lab"), cwd=notebooks): yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def app(notebooks, tmp_path_factory):
    "The address of the pages that `vctutor-app` serves, by Voila, and the folder it was started in: a lesson is at /voila/render/NAME.ipynb."
    home, port = tmp_path_factory.mktemp("home"), free_port()
    command = [sys.executable, "-c", f"from vctutor.app import serve; serve(port={port}, browser=False, folder={str(notebooks)!r})"]
    with served(command, f"http://127.0.0.1:{port}/", tmp_path_factory.mktemp("app"), cwd=home): yield f"http://127.0.0.1:{port}", home


STARTED = []  # browsers that are open


@contextmanager
def browser(*flags):
    "A Chromium with some more flags."
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=[*FLAGS, *flags])
        STARTED.append(started)
        try: yield started
        finally:
            STARTED.remove(started)
            started.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    "With a test that fails, what its pages say is reported, and where SHOTS names a folder they are drawn."
    report = yield
    if report.failed and call.when == "call":
        for n, page in enumerate(page for started in STARTED for context in started.contexts for page in context.pages):
            focus = "document.activeElement && document.activeElement.outerHTML.slice(0, 300)"
            report.sections.append((f"page {n}, {page.url}", f"{page.inner_text('body')[-3000:]}\nfocus: {page.evaluate(focus)}"))
            shot(page, f"failed_{item.name}_{n}")
    return report


def heard_errors(page):
    "A list that fills with what the page's console says is wrong. What Voila asks of other hosts (MathJax, a font) may be out of reach and is no error."
    errors = []
    ours = lambda url: not url.startswith("http") or "//127.0.0.1" in url
    page.on("console", lambda m: m.type == "error" and ours(m.location["url"]) and errors.append(f"{m.text} ({m.location['url']})"))
    page.on("pageerror", lambda e: errors.append(str(e)))
    return errors


def until(page, said, *, arg=None, timeout=None):
    "Wait until a function of the page is true, looking ten times a second: at every frame, as Playwright does by itself, the browser takes the core that the page's kernel needs."
    page.wait_for_function(said, arg=arg, timeout=timeout, polling=100)


def pressed(button, key="Enter"):
    "Press a button by keyboard, as soon as that can be done: what is pressed on one that is disabled is lost, and Playwright waits only before it clicks."
    expect(button).to_be_enabled(timeout=120_000)
    button.press(key)


def tracebacks(page):
    "What the outputs of a page say went wrong: JupyterLab and Voila show an error as what a cell wrote to stderr."
    return [text for text in page.locator("[data-mime-type='application/vnd.jupyter.stderr']").all_inner_texts() if "Traceback" in text]


def nameless(page):
    "Controls that a screen reader could not name."
    return page.evaluate("""() => [...document.querySelectorAll('button, input, select, meter, progress, audio, img, [role=slider]')].filter(e => e.offsetParent !== null &&
        !(e.getAttribute('aria-label') || e.getAttribute('alt') || e.innerText?.trim() && e.tagName == 'BUTTON' || e.title || [...(e.labels || [])].some(l => l.innerText.trim()))).map(e => e.outerHTML.slice(0, 200))""")


def shot(page, name):
    "A screenshot, where SHOTS names a folder for them."
    if SHOTS:
        SHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(SHOTS / f"{name}.png"), full_page=True)


class Lab:
    "One notebook, open in JupyterLab."
    def __init__(self, page, address): self.page, self.address = page, address

    def js(self, body, seconds=60):
        "Run asynchronous JavaScript with a time limit: Playwright's evaluate has none."
        return self.page.evaluate("""([body, ms]) => Promise.race([(new (Object.getPrototypeOf(async function(){}).constructor)(body))(),
            new Promise((_, no) => setTimeout(() => no(new Error('time limit')), ms))])""", [body, seconds * 1000])

    def open(self, name):
        self.page.goto(f"{self.address}/lab/tree/{name}?reset")
        self.page.wait_for_selector(".jp-Notebook .jp-Cell")
        self.js("""const app = window.jupyterapp; await app.restored;
                   const w = app.shell.currentWidget; await w.revealed; await w.context.ready; await w.sessionContext.ready;
                   await w.sessionContext.session.kernel.info;""")
        return self

    def run_all(self, seconds=240):
        self.js("await window.jupyterapp.commands.execute('notebook:run-all-cells');", seconds)
        outputs = "window.jupyterapp.shell.currentWidget.context.model.toJSON().cells.flatMap(c => c.outputs || [])"
        assert self.js(f"return {outputs}.filter(o => o.output_type == 'error').map(o => `${{o.ename}}: ${{o.evalue}}`)") == []
        return self
