# Everything runs in .venv, which is made when it is missing. Python 3.11 to 3.13; nothing else is needed.
PYTHON ?= python3
BIN = .venv/bin
TIMES = 1

.PHONY: demo test test-browser venv eval lab app notebooks pretrained

demo: .venv/installed   ## train on the shipped voices, write demo/report.html
	$(BIN)/vctutor-demo --out demo --resume

test: .venv/eval        ## run every notebook and check the repository
	$(BIN)/python .ci/test.py

venv: .venv/installed   ## only make .venv

eval: .venv/eval        ## add what evaluation and the neural vocoder need, about 1 GB

lab: .venv/installed    ## open the notebooks
	$(BIN)/jupyter lab nbs

app: .venv/installed     ## the converter and the explorers as web pages, on this machine only
	$(BIN)/vctutor-app

# Tests of one group share a page, so they must run in one process: with pytest 9.2, pytest-xdist 3.8 does not see groups (its issue 1386).
test-browser: .venv/browser  ## move every widget in a real browser; TIMES=10 does so ten times, or until a test fails
	times=$$(seq $(TIMES)) && for time in $$times; do $(BIN)/python -m pytest -q -n auto --dist loadgroup tests/browser || exit 1; done

pretrained: .venv/installed  ## make the shipped checkpoint again, in runs/pretrained
	$(BIN)/vctutor-demo --out runs/pretrained --preset small --steps 8000 --set "splice_frames=16 mask_bands=10 mask_frames=6 fused=true unfolded=true" --resume
	rm -f runs/am_michael-af_heart.safetensors
	$(BIN)/vctutor-export runs/pretrained runs/am_michael-af_heart.safetensors

notebooks: .venv/eval   ## export, run and clean the notebooks, write README.md
	$(BIN)/nbdev_export
	$(BIN)/python .ci/execute.py
	$(BIN)/nbdev_clean
	$(BIN)/python .ci/readme.py

# librosa is imported here because numba then compiles parts of it into files: two processes that do so at once can mix theirs, and crash (numba's issue 10128).
.venv/installed: settings.ini setup.py
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	$(BIN)/python -c "import librosa.sequence, librosa.core.pitch, librosa.effects"
	touch $@

.venv/eval: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,eval]'
	touch $@

.venv/browser: .venv/eval
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,eval,browser]'
	command -v chromium || command -v chromium-browser || command -v google-chrome || (apt-get update && apt-get install -y --no-install-recommends chromium fonts-dejavu-core)
	touch $@
