"""Commands that need an extra say so in one line when it is missing."""

import importlib.util
from importlib.machinery import ModuleSpec

import pytest

from hyve_pipeline.cli.extras import require_extra
from hyve_pipeline.cli.main import run

_EXTRAS = {"demo": "moto", "ui": "dagster_webserver"}


def test_what_is_installed_is_enough() -> None:
    require_extra("demo", "moto", "flask", "flask_cors")


@pytest.mark.parametrize("command", _EXTRAS)
def test_a_missing_extra_is_one_line_with_the_way_to_install_it(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec

    def find_all_but_one(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == _EXTRAS[command] else find(name, package)

    monkeypatch.setattr("hyve_pipeline.cli.extras.find_spec", find_all_but_one)
    assert run([command]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert f"pip install 'hyve-pipeline[{command}]'" in said[0]
    assert _EXTRAS[command] in said[0]
