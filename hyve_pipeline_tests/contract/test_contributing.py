"""What the pages say of where things are is so: every path, module and link that they name is there."""

import re
from pathlib import Path
from pkgutil import resolve_name

import pytest

from hyve_pipeline_tests.docs.markdown import PAGES, ROOT, anchors, inline_code, links, name_of

# What a path in a page may start from.
_ROOTS = (ROOT, ROOT / "hyve_pipeline", ROOT / "hyve_pipeline_tests")

# Files of the project, and not of a home, as their names show.
_PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)*/[\w.-]+\.(?:py|md|jinja)|(?:[\w-]+/)*[\w-]+/")
_FOLDERS = ("hyve_pipeline", "hyve_pipeline_tests", "benchmarks", "deploy", "docs")

_QUESTION = re.compile(r"^\| (Where [^|]+\?) \| `([^`|]+)` \|$", re.MULTILINE)
_LOGGERS = {"hyve_pipeline.alerts"}


def _exists(path: str) -> bool:
    return any((root / path).exists() for root in _ROOTS)


def _questions() -> list[tuple[str, str]]:
    return _QUESTION.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))


def test_twenty_questions_are_each_answered_by_one_path() -> None:
    questions = _questions()
    assert len(questions) == 20
    assert len({question for question, _ in questions}) == 20
    assert {path for _, path in questions if not (ROOT / "hyve_pipeline" / path).is_file()} == set()


def test_every_room_is_in_the_list_of_rooms() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    package = ROOT / "hyve_pipeline"
    rooms = {f"{path.parent.relative_to(package)}/" for path in package.glob("*/*/__init__.py")}
    assert rooms - set(re.findall(r"`([\w/]+/)`", text)) == set()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_path_that_a_page_names_is_there(page: Path) -> None:
    named = [code for code in inline_code(page) if _PATH.fullmatch(code)]
    files = [code for code in named if not code.endswith("/") or code.split("/")[0] in _FOLDERS]
    assert [path for path in files if not _exists(path)] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_module_that_a_page_names_is_there(page: Path) -> None:
    for code in inline_code(page):
        if re.fullmatch(r"hyve_pipeline(\.\w+)+", code) and code not in _LOGGERS:
            resolve_name(code)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    lost: list[str] = []
    for target in links(page):
        path, _, anchor = target.partition("#")
        other = (page.parent / path).resolve() if path else page
        if not other.exists() or (anchor and anchor not in anchors(other)):
            lost.append(target)
    assert lost == []
