"""Changes options of one section in the text of an INI file, and no other byte of it.

`configparser` drops comments and spacing, so it can't write a file that other tools share. The lines are parsed
here by its rules.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

# A line with its newline; the last one may have none.
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_SECTION = re.compile(r"\[(?P<name>.+)\]")
_OPTION = re.compile(r"(?P<start>\s*(?P<name>[^=:]*?)\s*[=:][ \t]*)")


@dataclass(frozen=True)
class _Line:
    """A line with its section and option: a section's heading has no option, blanks and comments have neither."""

    text: str
    section: str | None = None
    option: str | None = None
    is_continuation: bool = False

    @property
    def end(self) -> str:
        return self.text[len(self.text.rstrip("\r\n")) :]

    @property
    def indent(self) -> str:
        return self.text[: len(self.text) - len(self.text.lstrip())]


def put_options(text: str, section: str, values: Mapping[str, str], remove: Collection[str] = ()) -> str:
    """Set options of a section, which is added at the end if it is missing.

    Args:
        text: the file's text, which `configparser` accepts.
        section: the section's name.
        values: options and their new values.
        remove: options to remove from the section.

    Returns:
        The new text. Existing options stay in their places, new ones come first in the section.
    """
    lines = list(_lines(text))
    end = next((line.end for line in lines if line.end), "\n")
    heading = next((at for at, line in enumerate(lines) if line.section == section and line.option is None), None)
    if heading is None:
        gap = "" if not text else end if lines[-1].end else end * 2
        return f"{text}{gap}[{section}]{end}" + "".join(f"{name} = {value}{end}" for name, value in values.items())
    own = [line for line in lines if line.section == section and line.option is not None]
    present = {line.option for line in own}
    # An option that is indented further than the one above it would be parsed as a continuation of its value.
    indent = own[0].indent if own else ""
    result = []
    for at, line in enumerate(lines):
        option = line.option if line.section == section else None
        if option is not None and option in values:
            if not line.is_continuation:
                result.append(_with_value(line, values[option]))
        elif option not in remove:
            result.append(line.text)
        if at == heading:
            new = [f"{indent}{name} = {value}{end}" for name, value in values.items() if name not in present]
            if new and not line.end:
                result.append(end)
            result += new
    return "".join(result)


def _with_value(line: _Line, value: str) -> str:
    start = _OPTION.match(line.text)
    return f"{start['start'] if start else ''}{value}{line.end}"


def _lines(text: str) -> Iterator[_Line]:
    section: str | None = None
    option: str | None = None
    indent = 0
    for line in _LINE.findall(text):
        content = line.strip()
        if not content or content.startswith(("#", ";")):
            yield _Line(line)
            continue
        own_indent = len(line) - len(line.lstrip())
        if option is not None and own_indent > indent:
            yield _Line(line, section, option, is_continuation=True)
            continue
        indent = own_indent
        heading = _SECTION.match(content)
        if heading:
            section, option = heading["name"], None
        else:
            name = _OPTION.match(content)
            option = name["name"].lower() if name else ""
        yield _Line(line, section, option)
