"Run every notebook in a process of its own, then the checks of the repository; close with 'N passed, N failed'."
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIMIT = int(os.environ.get("NOTEBOOK_LIMIT", 360))  # seconds on a busy machine; alone, a notebook takes about 60 or less
BIN = Path(sys.executable).parent
CHECKS = []


def check(f):
    "Add `f` to the checks: it returns nothing when all is well, and what is wrong otherwise."
    CHECKS.append(f)
    return f


def call(*command, cwd=ROOT, **env):
    "Run a command; return its exit code and all it said."
    env = dict(os.environ, PATH=f"{BIN}:{os.environ['PATH']}", OMP_NUM_THREADS="1", **env)
    done = subprocess.run([str(c) for c in command], cwd=cwd, env=env, capture_output=True, text=True, timeout=LIMIT)
    silent = f"ended with exit code {done.returncode} and said nothing" if done.returncode else ""  # such as a process that was killed for memory
    return done.returncode, (done.stdout + done.stderr).strip() or silent


def notebook(path):
    "nbdev_test on one notebook."
    code, said = call("nbdev_test", "--path", path)
    return f"{said[-3000:]}" if code else None


def modules():
    "Names of the exported modules."
    return sorted(p.stem for p in (ROOT / "vctutor").glob("*.py") if not p.stem.startswith("_"))


@check
def every_module_imports_alone():
    "Each in a fresh process, from another folder."
    with tempfile.TemporaryDirectory() as elsewhere, ThreadPoolExecutor(os.cpu_count()) as pool:
        alone = lambda name: (name, *call(sys.executable, "-W", "error::SyntaxWarning", "-c", f"import vctutor.{name}", cwd=elsewhere))
        return "\n".join(f"import vctutor.{name}: {said}" for name, code, said in pool.map(alone, modules()) if code) or None


@check
def ruff_finds_nothing():
    "Undefined and unused names in the exported package: notebooks hide them."
    code, said = call("ruff", "check", "--select", "F", "vctutor", ".ci", "tests", "benchmarks", "setup.py")
    return said if code else None


@check
def export_and_clean_change_nothing():
    "The package is what the notebooks say, and the notebooks are clean."
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "vctutor"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".venv", ".git", "data", "demo", "runs"))
        for command in ("nbdev_export", "nbdev_clean"):
            code, said = call(command, cwd=copy)
            if code: return said
        for pattern in ("vctutor/*.py", "nbs/*.ipynb"):
            for path in sorted(ROOT.glob(pattern)):
                if path.read_bytes() != (copy / path.relative_to(ROOT)).read_bytes():
                    return f"{path.relative_to(ROOT)} differs after nbdev_export and nbdev_clean: run make notebooks and commit"


@check
def readme_is_the_index():
    "README.md is made from nbs/index.ipynb."
    code, said = call(sys.executable, ".ci/readme.py", "--check")
    return said if code else None


@check
def readme_tells_the_truth():
    "Its commands exist, its table names every notebook, its links lead somewhere."
    text = (ROOT / "README.md").read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    for name in re.findall(r"(?:^|`)make ([a-z-]+)", text, flags=re.M):
        if name not in targets: return f"README says make {name}; the Makefile does not know it"
    parser = ConfigParser(delimiters=["="])
    parser.read(ROOT / "settings.ini")
    scripts = {s.split("=")[0] for s in parser["DEFAULT"]["console_scripts"].split()}
    for name in set(re.findall(r"\bvctutor-[a-z]+\b", text)) | scripts:
        if name not in scripts: return f"README says {name}; settings.ini does not"
        code, said = call(BIN / name, "--help")
        if code or "usage" not in said: return f"{name} --help: {said}"
    for path in ROOT.glob("nbs/[0-9]*.ipynb"):
        if f"nbs/{path.name}" not in text: return f"README does not name {path.name}"
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        if not (ROOT / link).exists(): return f"README links to {link}, which does not exist"


@check
def notebooks_are_small_and_run():
    "Committed with their outputs, without errors, at most 600 KiB each."
    import json
    for path in sorted(ROOT.glob("nbs/*.ipynb")):
        if path.stat().st_size > 600 * 1024: return f"{path.name} has {path.stat().st_size // 1024} KiB"
        nb = json.loads(path.read_text())
        if "widgets" in nb["metadata"]: return f"{path.name} carries widget state"
        outputs = [o for c in nb["cells"] for o in c.get("outputs", [])]
        if not outputs: return f"{path.name} was committed without being run"
        if any(o["output_type"] == "error" for o in outputs): return f"{path.name} holds an error"


@check
def shipped_material_is_in_order():
    "The checkpoint is small enough and has its card; every row of the results log is an experiment of it."
    import csv
    import json
    for path in (ROOT / "data" / "pretrained").glob("*.safetensors"):
        if path.stat().st_size > 15e6: return f"{path.name} has {path.stat().st_size / 1e6:.1f} MB: at most 15"
        if path.name not in (path.parent / "README.md").read_text(): return f"{path.name} is not in its card"
    results = ROOT / "data" / "results"
    plans = json.loads((results / "experiments.json").read_text())
    for row in csv.DictReader(open(results / "results.csv")):
        if row["name"] not in plans: return f"{row['name']} in results.csv is no experiment of experiments.json"
        if row["question"] != plans[row["name"]]["question"]: return f"{row['name']} asks another question in results.csv than in experiments.json"


def main():
    jobs = [(p.name, lambda p=p: notebook(p)) for p in sorted(ROOT.glob("nbs/*.ipynb"))]
    jobs += [(f.__name__.replace("_", " "), f) for f in CHECKS]

    def one(job):
        name, run = job
        start = time.time()
        try: wrong = run()
        except subprocess.TimeoutExpired: wrong = f"took longer than {LIMIT} s"
        print(f"{'FAIL' if wrong else 'ok  '} {time.time() - start:6.1f} s  {name}" + (f"\n{wrong}" if wrong else ""), flush=True)
        return wrong

    with ThreadPoolExecutor(2) as pool: failed = sum(map(bool, pool.map(one, jobs)))
    print(f"{len(jobs) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


main()
