PYTHON ?= python
DATA ?= data

.PHONY: setup check check-format check-lint check-types check-imports test golden bench

setup: ## everything for work on the project, into the active environment
	$(PYTHON) -m pip install -e ".[dev,train]"
	pre-commit install

check: check-format check-lint check-types check-imports ## `make -k check` reports all four, whatever fails

check-format:
	ruff format --check .

check-lint:
	ruff check .

check-types:
	pyright

check-imports:
	lint-imports

test: ## the whole suite
	$(PYTHON) -m pytest -m ""

golden: ## write the committed outputs of tests/golden anew; look at the difference before committing
	REENACT_WRITE_GOLDEN=1 $(PYTHON) -m pytest tests/golden

bench: ## speed; and quality on a data folder (docs/evaluation.md): `make bench DATA=...`
	$(PYTHON) -m benchmarks.speed
	$(PYTHON) -m train.evaluate --system correspondence --data $(DATA) --protocol self --checks --out runs/evaluate-self --overwrite
	$(PYTHON) -m train.evaluate --system correspondence --data $(DATA) --protocol cross --out runs/evaluate-cross --overwrite
