"""Imports go one way, from what a person types down to the pure core, and no module grows too long."""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import hyve_pipeline

_PACKAGE = Path(hyve_pipeline.__file__).parent
_MODULES = sorted(_PACKAGE.rglob("*.py"))

# What each layer may import besides itself.
_BELOW = {
    "core": set(),
    "s3": {"core"},
    "state": {"s3", "core"},
    "operations": {"s3", "state", "core"},
    "report": {"operations", "core"},
    "orchestration": {"report", "operations", "core"},
    "demo": {"core"},
    "cli": {"orchestration", "report", "operations", "core", "demo"},
}

# The rooms of a layer, each of which may import those before it; those of one line do not import each other.
_ROOMS = {
    "core": [["base"], ["runtime"], ["settings"], ["model"]],
    "s3": [["wire"], ["connection"], ["listing", "objects", "events"], ["copying", "files"], ["streaming", "batch"]],
}

# Modules outside of the layers: what Dagster and Python load by name.
_ROOTS = {"__init__.py": {"orchestration"}, "__main__.py": {"cli"}, "definitions.py": {"orchestration", "operations"}}

# Libraries that belong to some layers only.
_LIBRARIES = {
    "dagster": {"orchestration"},
    "dagster_webserver": {"orchestration"},
    "starlette": {"orchestration"},
    "uvicorn": {"orchestration"},
    "boto3": {"demo"},
    "botocore": {"s3", "demo"},
    "awscrt": {"s3"},
    "lxml": {"s3"},
    "jinja2": {"report"},
    "PIL": {"demo"},
    "moto": {"demo"},
    "click": {"cli"},
    "rich": {"cli"},
}

_MOST_LINES = 400


def _layer(path: Path) -> str:
    relative = path.relative_to(_PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else ""


@cache
def _nodes(path: Path) -> list[ast.AST]:
    """All that a module consists of."""
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def _imports(path: Path) -> Iterator[str]:
    """Every module that a module imports anywhere, also within functions and for type checkers alone."""
    package = ["hyve_pipeline", *path.relative_to(_PACKAGE).parts[:-1]]
    for node in _nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            yield module
            if module == "hyve_pipeline":
                yield from (f"{module}.{alias.name}" for alias in node.names)


def _layers_imported(path: Path) -> set[str]:
    own = (name.split(".") for name in _imports(path))
    return {parts[1] for parts in own if parts[0] == "hyve_pipeline" and len(parts) > 1 and parts[1] in _BELOW}


def test_every_folder_is_a_layer() -> None:
    folders = {_layer(path) for path in _MODULES} - {""}
    assert folders == set(_BELOW)
    assert {path.name for path in _MODULES if not _layer(path)} <= set(_ROOTS)


@pytest.mark.parametrize("layer", _BELOW)
def test_a_layer_imports_only_what_lies_below(layer: str) -> None:
    upwards = {
        str(path.relative_to(_PACKAGE)): wrong
        for path in _MODULES
        if _layer(path) == layer and (wrong := _layers_imported(path) - _BELOW[layer] - {layer})
    }
    assert upwards == {}


@pytest.mark.parametrize("layer", _ROOMS)
def test_a_room_imports_only_the_rooms_before_it(layer: str) -> None:
    order = _ROOMS[layer]
    rooms = {path.relative_to(_PACKAGE).parts[1] for path in _MODULES if _layer(path) == layer} - {"__init__.py"}
    assert rooms == {room for line in order for room in line}
    strays: set[str] = set()
    for number, line in enumerate(order):
        before = {room for earlier in order[:number] for room in earlier}
        for room in line:
            for path in (_PACKAGE / layer / room).rglob("*.py"):
                named = {name.split(".")[2] for name in _imports(path) if name.startswith(f"hyve_pipeline.{layer}.")}
                strays |= {f"{path.relative_to(_PACKAGE)} imports {other}" for other in named - before - {room}}
    assert strays == set()


def test_a_name_is_imported_from_the_module_of_its_layer_that_defines_it() -> None:
    """A layer may only pass on what a lower one has, as `operations.context` does with `Home`."""
    taken = {
        (str(path.relative_to(_PACKAGE).with_suffix("")), alias.asname or alias.name): node.module or ""
        for path in _MODULES
        for node in _nodes(path)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    strays: set[str] = set()
    for path in _MODULES:
        for node in _nodes(path):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("hyve_pipeline."):
                continue
            place = (node.module or "").removeprefix("hyve_pipeline.").replace(".", "/")
            for alias in node.names:
                if taken.get((place, alias.name), "").startswith(f"hyve_pipeline.{place.split('/')[0]}."):
                    strays.add(f"{path.relative_to(_PACKAGE)} imports {alias.name} from {place}")
    assert strays == set()


def test_the_roots_import_what_they_assemble() -> None:
    assert {
        path.name: wrong
        for path in _MODULES
        if not _layer(path) and (wrong := _layers_imported(path) - _ROOTS[path.name])
    } == {}


def test_libraries_stay_in_their_layers() -> None:
    strays = {
        f"{path.relative_to(_PACKAGE)} imports {name}"
        for path in _MODULES
        for name in {name.split(".")[0] for name in _imports(path)} & set(_LIBRARIES)
        if _layer(path) not in _LIBRARIES[name] and path.name not in _ROOTS
    }
    assert strays == set()


def test_only_s3_builds_requests_and_names_headers() -> None:
    """What S3 is asked, and in which words, is found in one layer; the embedded server is the other end of the wire."""
    strays: set[str] = set()
    for path in _MODULES:
        if _layer(path) in ("s3", "demo"):
            continue
        for node in _nodes(path):
            if (
                isinstance(node, ast.ImportFrom)
                and node.module == "hyve_pipeline.s3.wire.messages"
                and "Request" in {alias.name for alias in node.names}
            ):
                strays.add(f"{path.relative_to(_PACKAGE)} builds requests")
            if isinstance(node, ast.Constant) and str(node.value).lower().startswith("x-amz-"):
                strays.add(f"{path.relative_to(_PACKAGE)} names {node.value}")
    assert strays == set()


def test_only_one_module_uses_what_dagster_does_not_promise_to_keep() -> None:
    """Anything of it may change in any release: it is in one place, with its reason, and nothing comes unseen."""
    private: dict[str, set[str]] = {}
    for path in _MODULES:
        for node in _nodes(path):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if any(re.match(r"dagster(_\w+)?\.(.*\.)?_", module) for module in modules):
                names = {alias.name for alias in node.names} if isinstance(node, ast.ImportFrom) else set(modules)
                private.setdefault(str(path.relative_to(_PACKAGE)), set()).update(names)
    assert private == {
        "orchestration/common/dagster_private.py": {
            "DefinitionsLoadContext",
            "UnresolvedAssetJobDefinition",
            "WorkspaceFileTarget",
            "WorkspaceProcessContext",
        }
    }


def test_the_releases_of_dagster_are_those_that_have_it() -> None:
    text = (_PACKAGE.parent / "setup.cfg").read_text(encoding="utf-8")
    assert re.findall(r"^    dagster[><=].*$", text, re.MULTILINE) == ["    dagster>=1.13,<1.14"]


def test_no_module_is_long() -> None:
    lengths = {str(path.relative_to(_PACKAGE)): len(path.read_text(encoding="utf-8").splitlines()) for path in _MODULES}
    assert {name: lines for name, lines in lengths.items() if lines > _MOST_LINES} == {}


def test_no_two_modules_import_each_other() -> None:
    """Within a layer too: a cycle hides which of the two is the lower one."""
    names = {
        ".".join(("hyve_pipeline", *path.relative_to(_PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
        for path in _MODULES
        if _layer(path)  # what the package itself offers, it imports when it is asked for it
    }
    graph = {name: {other for other in _imports(path) if other in names} for name, path in names.items()}
    done: set[str] = set()
    sys.setrecursionlimit(max(sys.getrecursionlimit(), 2000))

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail[trail.index(name) :], name))
        if name not in done:
            for other in sorted(graph[name]):
                visit(other, (*trail, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())
