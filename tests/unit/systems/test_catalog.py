"""The list of systems, and what its rows promise."""

import subprocess
import sys

import pytest
import yaml

from reenact.errors import ConfigError
from reenact.systems.catalog import CATALOG, DEFAULT_SYSTEM, find_system, system_for
from reenact.weights import EMBEDDED


def test_listing_the_systems_imports_no_torch() -> None:
    command = "import sys, reenact.systems.catalog; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", command], check=False).returncode == 0


@pytest.mark.parametrize("system", CATALOG)
def test_a_row_fits_its_class_and_its_embedded_card(system: str) -> None:
    entry = CATALOG[system]
    assert entry.load_class().system == system
    card = EMBEDDED / system / "README.md"
    if card.is_file():  # not trained yet
        assert tuple(yaml.safe_load(card.read_text().split("---\n")[1])["tags"]) == entry.tags


def test_each_role_has_one_system() -> None:
    roles = [role for entry in CATALOG.values() for role in entry.roles]
    assert sorted(roles) == ["default", "edit", "large_pose"]
    assert system_for("default") == DEFAULT_SYSTEM


def test_an_unknown_system_is_refused_with_the_choices() -> None:
    with pytest.raises(ConfigError, match="no system 'facegen'; choose correspondence, facegan, dual_generator"):
        find_system("facegen")
