"""What the package installs is what it imports: the base brings neither Dagster nor what other extras are for."""

import ast
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from functools import cache
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hyve_pipeline_tests.heeding import heed_signals

_ROOT = Path(__file__).parents[2]
_PACKAGE = _ROOT / "hyve_pipeline"
_SETUP = ConfigParser()
_SETUP.read(_ROOT / "setup.cfg")
_EXTRAS = _SETUP["options.extras_require"]

# The extra that brings what the modules of a folder import beyond the base; the deepest folder counts.
_EXTRA_OF = {"orchestration": "dagster", "orchestration/ui": "ui", "demo": "demo", "definitions.py": "dagster"}
_PARTS = sorted(path.name for path in _PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists())


@cache
def _distributions() -> dict[str, set[str]]:
    """The distributions that bring each module: to look through all that is installed takes a fifth of a second."""
    return {module: {canonicalize_name(name) for name in names} for module, names in packages_distributions().items()}


def _listed(lines: str) -> list[str]:
    return [line for line in lines.splitlines() if line and not line.startswith("#")]


@cache
def _brought_by(listed: str) -> frozenset[str]:
    """The distributions of a list of requirements, and those that they require in turn."""
    found: set[str] = set()
    left = [Requirement(line) for line in _listed(listed)]
    while left:
        requirement = left.pop()
        name = canonicalize_name(requirement.name)
        if name in found and not requirement.extras:
            continue
        found.add(name)
        for line in requires(name) or ():
            needed = Requirement(line)
            extras = requirement.extras or {""}
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                left.append(needed)
    return frozenset(found)


_BASE = _brought_by(_SETUP["options"]["install_requires"])


def _modules(part: str) -> list[Path]:
    path = _PACKAGE / part
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def _imported(tree: ast.Module) -> Iterator[str]:
    """The packages of others that a module imports, but those for type checkers alone."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            top = name.partition(".")[0]
            if top not in sys.stdlib_module_names and top != "hyve_pipeline":
                yield top


@pytest.mark.parametrize("part", _PARTS)
def test_what_is_imported_is_installed(part: str) -> None:
    """A command that needs an extra asks for it by name: `require_extra("sign", "cryptography")`."""
    missing = {
        f"{path.relative_to(_ROOT)}: {name}"
        for path in _modules(part)
        for name in _imported(ast.parse(path.read_text()))
        if not _brought_for(path) & _distributions()[name] and name not in _asked_for()
    }
    assert not missing


def _brought_for(module: Path) -> frozenset[str]:
    place = module.relative_to(_PACKAGE)
    extras = (_EXTRA_OF.get(str(folder)) for folder in (place, *place.parents))
    extra = next(filter(None, extras), None)
    return _BASE | _brought_by(_EXTRAS[extra]) if extra else _BASE


@cache
def _asked_for() -> frozenset[str]:
    """The modules that commands look for before they import them."""
    calls = "".join(path.read_text() for path in _modules("cli"))
    asked = re.findall(r'require_extra\("(\w+)", ((?:"\w+"(?:, )?)+)\)', calls)
    assert {extra for extra, _ in asked} == {"demo", "ui", "sign"}
    named = {(extra, name) for extra, modules in asked for name in re.findall(r'"(\w+)"', modules)}
    for extra, name in named:
        assert _brought_by(_EXTRAS[extra]) & _distributions()[name], (extra, name)
    return frozenset(name for _, name in named)


def test_the_base_has_nothing_of_the_extras() -> None:
    assert {"boto3", "awscrt", "duckdb", "pyarrow", "tzdata"} <= _BASE
    assert not _BASE & {"dagster", "dagster-aws", "sqlalchemy", "grpcio", "pandas", "numpy", "moto", "flask", "pillow"}


@pytest.mark.parametrize("extra", ["ui", "postgresql", "celery", "kubernetes", "test"])
def test_extras_that_need_dagster_bring_it(extra: str) -> None:
    assert {"dagster", "dagster-aws"} <= _brought_by(_EXTRAS[extra])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_while_the_installed_command_is_loaded_ends_it_in_order(number: signal.Signals) -> None:
    name, _, entry = _SETUP["options.entry_points"]["console_scripts"].strip().partition(" = ")
    module, _, function = entry.partition(":")
    script = f"""
import os, sys

class Interrupted:
    def find_spec(self, name, *others):
        if name == "hyve_pipeline.cli":
            os.kill(os.getpid(), {number.value})

sys.meta_path.insert(0, Interrupted())
from {module} import {function}
sys.exit({function}())
"""
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, preexec_fn=heed_signals
    )
    assert (name, ended.returncode, ended.stderr) == ("hyve", 130, "")
