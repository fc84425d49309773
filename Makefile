# demo: a station, a stand-in PACS and films, on this computer.   quick: an answer within a minute.   test: everything.
VENV := .venv
BIN := $(VENV)/bin
PREFIX := /opt/xray-triage
VIEWER := xray_triage/web/viewer
FHIR := tests/peers/fhir
PEERS := orthanc orthanc-dicomweb dcmtk dicom3tools postgresql chromium fuse3 libfaketime poppler-utils softhsm2
ALONE := browser scenarios rehearsal
NOT_QUICK := slow or further or dcmtk or orthanc or postgresql or softhsm or page or node or browser or workshop
LOCKED := -m pip install -q --require-hashes --only-binary :all:

.PHONY: demo install quick test rehearse screenshots lint format bench viewer lock audit sbom clean help

help:
	@echo "make demo [EXIT=1] [FILM=path ...]   see it work"
	@echo "make install [PREFIX=$(PREFIX)] [SIGN=1]   the station's program into a folder of its own; with signing"
	@echo "make quick                           ruff and the tests that need no other program: a minute"
	@echo "make test                            every test, with real Orthanc, dcmtk, PostgreSQL, Chromium, torch"
	@echo "make rehearse                        200 kills, 64 power cuts, full disks, faults of PACS, link, clock; fuzzing: hours"
	@echo "make lint                            ruff and mypy"
	@echo "make screenshots                     pictures of every page, from synthetic films, into docs/pages"
	@echo "make viewer                          build the film viewer into static/ (needs npm, or fetches it)"
	@echo "make bench [QUICK=1]                 run the benchmarks, write benchmarks/results"
	@echo "make lock [UPGRADE=1]                write requirements/ anew from pyproject.toml"
	@echo "make audit                           look the locked packages up among known vulnerabilities"
	@echo "make sbom                            what a station is made of, as CycloneDX, into build/sbom"

# Nothing is installed that is not in requirements/, with the hash that stands there.
$(BIN)/python:
	tools/make-venv $(VENV)

$(VENV)/.station: requirements/station.txt pyproject.toml | $(BIN)/python
	$(BIN)/python $(LOCKED) -r requirements/build.txt -r requirements/station.txt
	$(BIN)/python -m pip install -qq --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/.test: requirements/test.txt $(VENV)/.station
	$(BIN)/python $(LOCKED) -r requirements/test.txt
	touch $@

$(VENV)/.train: requirements/train.txt $(VENV)/.test
	$(BIN)/python $(LOCKED) --no-compile -r requirements/train.txt  # of 5 GB little is ever imported
	touch $@

$(VENV)/.tools: requirements/tools.txt | $(BIN)/python
	$(BIN)/python $(LOCKED) -r requirements/tools.txt
	touch $@

$(VIEWER)/node_modules/.package-lock.json: $(VIEWER)/package-lock.json | $(VENV)/.test
	tools/with-node $(VENV) npm --prefix $(VIEWER) ci --no-audit --no-fund
	touch $@

$(FHIR)/node_modules/.package-lock.json: $(FHIR)/package-lock.json | $(VENV)/.test
	tools/with-node $(VENV) npm --prefix $(FHIR) ci --no-audit --no-fund
	touch $@

demo: $(VENV)/.station
	$(BIN)/xray-triage demo $(if $(EXIT),--exit) $(FILM)

install:
	tools/make-venv $(PREFIX)
	$(PREFIX)/bin/python $(LOCKED) -r requirements/build.txt -r requirements/$(if $(SIGN),sign,station).txt
	rm -rf build/lib  # or a module that is gone would be installed from there
	$(PREFIX)/bin/python -m pip install -qq --no-deps --no-build-isolation .

quick: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -n 2 -m "not ($(NOT_QUICK))" $(foreach kind,models fuzzing $(ALONE),--ignore tests/$(kind))

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

viewer: $(VIEWER)/node_modules/.package-lock.json
	tools/with-node $(VENV) npm --prefix $(VIEWER) run build

test: $(VENV)/.train $(VIEWER)/node_modules/.package-lock.json $(FHIR)/node_modules/.package-lock.json lint
	tools/system-packages $(PEERS)
	$(BIN)/python -m pytest -n 2 --dist loadfile $(foreach kind,$(ALONE),--ignore tests/$(kind))
	$(BIN)/python -m pytest $(foreach kind,$(ALONE),tests/$(kind))

rehearse: $(VENV)/.test
	tools/system-packages $(PEERS)
	$(BIN)/python -m pytest --rehearse tests/rehearsal tests/fuzzing

format: $(VENV)/.test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.train
	tools/system-packages $(PEERS) orthanc-python
	$(BIN)/python -m benchmarks.run $(if $(QUICK),--quick)

screenshots: $(VENV)/.test
	tools/system-packages chromium
	TZ=Asia/Ho_Chi_Minh $(BIN)/python -m tools.screenshots

lock: $(VENV)/.tools
	tools/lock $(BIN)/uv $(if $(UPGRADE),-U)

audit: $(VENV)/.tools
	$(BIN)/pip-audit --strict --disable-pip --require-hashes $(foreach set,build train,-r requirements/$(set).txt)

sbom: $(VENV)/.tools
	$(MAKE) install PREFIX=build/station
	mkdir -p build/sbom
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible -o build/sbom/station.cdx.json \
		build/station/bin/python
	tools/with-node $(VENV) npm --prefix $(VIEWER) sbom --sbom-format cyclonedx --package-lock-only --omit dev \
		> build/sbom/viewer.cdx.json

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist *.egg-info
