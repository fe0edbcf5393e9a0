"""From the attributes of a `defs.yaml` to values, and from mistakes in them to messages with file and line."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg
from pydantic import BaseModel
from pydantic_core import ErrorDetails

from hyve_pipeline.core.base.suggestions import closest, hint_for
from hyve_pipeline.core.settings.mistakes import problem_of
from hyve_pipeline.orchestration.component.schema import ALL_MODELS

Path = tuple[str | int, ...]

# The beginning of a template expression or statement. All other text stays as it is: a rendered prefix `2024` would
# become a number.
_TEMPLATE_MARKS = ("{{", "{%")

_WANTED_TYPES = {
    "string_type": "must be text, in quotes if YAML would read it as another type",
    "int_type": "must be a whole number",
    "tuple_type": "must be a list, such as ['*.jpg']",
    "bool_type": "must be true or false",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
}


def rendered(context: dg.ResolutionContext, value: Any) -> Any:
    """A value of the file, with the templates in it filled in."""
    if isinstance(value, Mapping):
        return {key: rendered(context.at_path(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [rendered(context.at_path(number), inner) for number, inner in enumerate(value)]
    if isinstance(value, str) and any(mark in value for mark in _TEMPLATE_MARKS):
        return context.resolve_value(value, as_type=object)
    return value


def wrong_attributes(
    context: dg.ResolutionContext, model: type[BaseModel], errors: Sequence[ErrorDetails]
) -> dg.DagsterInvalidDefinitionError:
    """The error for wrong attributes: each mistake with its file, line and snippet.

    Args:
        context: of the attributes.
        model: the model that they were validated with.
        errors: pydantic's errors.
    """
    return dg.DagsterInvalidDefinitionError(
        "\n\n".join(_shown(context, path, problem) for path, problem in _mistakes(model, errors))
    )


def _mistakes(model: type[BaseModel], errors: Iterable[ErrorDetails]) -> list[tuple[Path, str]]:
    mistakes: list[tuple[Path, str]] = []
    meant: set[Path] = set()
    for error in errors:
        path = error["loc"]
        path += tuple(filter(None, error.get("ctx", {}).get("setting", "").split(".")))
        if error["type"] == "extra_forbidden":
            known = list(_model_at(model, path[:-1]).model_fields)
            intended = closest(str(path[-1]), known)
            meant |= {(*path[:-1], intended)} if intended else set()
            hint = hint_for(str(path[-1]), known)
            mistakes.append((path, f"unknown key (known: {', '.join(known)}{hint})"))
        else:
            mistakes.append((path, problem_of(error, _WANTED_TYPES)))
    # A misspelt required key is one mistake, not an unknown key and a missing one.
    return [(path, problem) for path, problem in mistakes if path not in meant]


def _model_at(model: type[BaseModel], path: Path) -> type[BaseModel]:
    names = [part for part in path if isinstance(part, str)]
    return ALL_MODELS[names[-1]] if names else model


def _shown(context: dg.ResolutionContext, path: Path, problem: str) -> str:
    place = [*context.path, *path]
    tree = context.source_position_tree
    if tree is None:
        return f"{'.'.join(map(str, place))}: {problem}"
    source = tree.source_error(yaml_path=place, inline_error_message=problem, value_error=False)
    return f"{source.file_name}:{source.start_line_no} - {source.location}: {problem}\n{source.snippet}"
