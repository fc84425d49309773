# demo: a station, a stand-in PACS and films, on this computer.   test: everything, against real peers.
VENV := .venv
BIN := $(VENV)/bin
VIEWER := xray_triage/web/viewer
PEERS := orthanc orthanc-dicomweb dcmtk dicom3tools postgresql chromium

.PHONY: demo test screenshots lint format bench viewer clean help

help:
	@echo "make demo [EXIT=1] [FILM=path ...]   see it work"
	@echo "make test                            run every test against real Orthanc, dcmtk, PostgreSQL, Chromium"
	@echo "make screenshots                     pictures of every page, from synthetic films, into docs/pages"
	@echo "make lint                            ruff and mypy"
	@echo "make viewer                          build the film viewer into static/ (needs npm, or fetches it)"
	@echo "make bench [QUICK=1]                 run the benchmarks, write benchmarks/results"

$(BIN)/python:
	tools/make-venv $(VENV)

$(VENV)/.station: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install -q -e .
	touch $@

$(VENV)/.test: $(VENV)/.station
	$(BIN)/python -m pip install -q -e ".[test,train]"
	touch $@

$(VIEWER)/node_modules/.package-lock.json: $(VIEWER)/package-lock.json | $(VENV)/.test
	tools/with-node $(VENV) npm --prefix $(VIEWER) ci --no-audit --no-fund
	touch $@

demo: $(VENV)/.station
	$(BIN)/xray-triage demo $(if $(EXIT),--exit) $(FILM)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

viewer: $(VIEWER)/node_modules/.package-lock.json
	tools/with-node $(VENV) npm --prefix $(VIEWER) run build

test: $(VENV)/.test $(VIEWER)/node_modules/.package-lock.json lint
	tools/system-packages $(PEERS)
	$(BIN)/python -m pytest -n 2 --dist loadfile --ignore tests/browser --ignore tests/scenarios
	$(BIN)/python -m pytest tests/browser tests/scenarios  # alone: they tell what people wait for

format: $(VENV)/.test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.test
	tools/system-packages $(PEERS) orthanc-python
	$(BIN)/python -m benchmarks.run $(if $(QUICK),--quick)

screenshots: $(VENV)/.test
	tools/system-packages chromium
	$(BIN)/python -m tools.screenshots

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist *.egg-info
