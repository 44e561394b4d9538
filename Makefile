# Everything happens in .venv; a stamp there says which pyproject.toml it was installed from.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DATA ?=

.PHONY: help demo test test-all lint types bench docs pictures clean

help:
	@echo "make demo    the main job on the embedded phantom, about 8 minutes on two cores"
	@echo "make test    the tests"
	@echo "make lint    ruff and import-linter"
	@echo "make types   pyright"
	@echo "make bench   the benchmarks, DATA=folder of chest X-rays (hours)"
	@echo "make docs    the documentation site, in site/"
	@echo "make pictures   the documentation's pictures, DATA=folder of chest X-rays"

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "xraygan needs Python 3.11 to 3.13, as TensorFlow does: make PYTHON=python3.13 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[cpu,dev]'
	@touch $@

demo: $(INSTALLED)
	$(BIN)/xraygan run --results demo --minutes 5 --evidence basic

test: $(INSTALLED)
	$(BIN)/python -m pytest

test-all: $(INSTALLED)
	$(BIN)/python -m pytest -m 'slow or not slow'

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(INSTALLED)
	$(BIN)/pyright --pythonpath $(BIN)/python

bench: $(INSTALLED)
	$(if $(DATA),,$(error make bench needs DATA=folder of chest X-rays))
	$(BIN)/python benchmarks/start_up.py --data $(DATA)
	$(BIN)/python benchmarks/read_speed.py --data $(DATA)
	$(BIN)/python benchmarks/read_scale.py
	$(BIN)/python benchmarks/step_profile.py
	$(BIN)/python benchmarks/roofline.py
	$(BIN)/python benchmarks/fidelity_speed.py
	$(BIN)/python benchmarks/utility_speed.py --data $(DATA)
	$(BIN)/python benchmarks/audit_speed.py
	$(BIN)/python benchmarks/base_leak.py --data $(DATA)
	$(BIN)/python benchmarks/feature_space.py --data $(DATA)
	$(BIN)/python benchmarks/validate_fidelity.py --data $(DATA) --images 500 --spaces filter-bank-1 chest-net-1
	$(BIN)/python benchmarks/validate_audit.py --data $(DATA)
	$(BIN)/python benchmarks/quality.py --data $(DATA) --keep bench
	$(BIN)/python benchmarks/generation_speed.py --model bench/run

docs: $(INSTALLED)
	$(BIN)/mkdocs build --strict

pictures: $(INSTALLED)
	$(if $(DATA),,$(error make pictures needs DATA=folder of chest X-rays))
	$(BIN)/python docs/make_pictures.py --data $(DATA) --run results

clean:
	rm -rf $(VENV) bench demo site
