"Run notebooks in place and keep their outputs: execute.py [NAME ...]; all of them when none is named."
import json
import os
import sys
from pathlib import Path

os.environ |= dict(OMP_NUM_THREADS="1", IN_TEST="1")  # one thread each; the last cell must not export
from execnb.nbio import read_nb, write_nb  # noqa: E402
from execnb.shell import CaptureShell  # noqa: E402

NOTEBOOKS = Path(__file__).resolve().parent.parent / "nbs"


def execute(path):
    "Run one notebook and write it back; widgets leave nothing but their line of text."
    nb = read_nb(path)
    CaptureShell(path=NOTEBOOKS).run_all(nb, exc_stop=True)
    write_nb(nb, path)
    plain = json.loads(path.read_text())
    plain["metadata"].pop("widgets", None)
    for cell in plain["cells"]:
        cell.get("metadata", {}).clear()
        for output in cell.get("outputs", []):
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
    path.write_text(json.dumps(plain, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


for path in [NOTEBOOKS / f"{name}.ipynb" for name in sys.argv[1:]] or sorted(NOTEBOOKS.glob("*.ipynb")):
    print(path.name, flush=True)
    if not os.fork():  # each in a process of its own
        execute(path)
        os._exit(0)
    if os.wait()[1]: sys.exit(f"{path.name} failed")
