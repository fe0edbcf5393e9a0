"""How a key is written: losslessly as a line of a list, and safely on a terminal.

A key is any text of up to 1,024 UTF-8 bytes, so it may contain newlines, escape sequences or characters
that change the writing direction.
"""

import json
import re

# Unicode category Cc is exactly these two ranges; its stability policy guarantees that.
QUOTED_KEY_PATTERN = r'^"|[\x00-\x1f\x7f-\x9f]'
_QUOTED_KEY = re.compile(QUOTED_KEY_PATTERN)


def list_line(key: str) -> str:
    r"""The key as one line of a list such as ``new.txt``, without the newline at the end.

    That is the key itself. A key that contains a control character (Unicode category Cc), or begins with
    ``"``, is written as a JSON string, so that every line is one key and can be read back.

    >>> list_line("a b/ü.jpg"), list_line("a\nb")
    ('a b/ü.jpg', '"a\\nb"')
    """
    return json.dumps(key) if _QUOTED_KEY.search(key) else key


def parse_list_line(line: str) -> str:
    """The key that `list_line` wrote as `line`.

    Args:
        line: one line of a list, without the newline at the end.

    Raises:
        ValueError: the line begins with ``"`` but is not a JSON string.
    """
    if not line.startswith('"'):
        return line
    # A JSON value that begins with a quote is a string.
    return json.loads(line)


def displayed(text: str) -> str:
    r"""The text in a form that is safe and unambiguous on a terminal and in a log line.

    Printable characters of every script, and the space, are kept. Characters that could move the cursor,
    change the writing direction, end the line, or are invisible (control and format characters, line and
    paragraph separators, other kinds of space, lone surrogates, private and unassigned characters) become
    ``\xNN``, ``\uNNNN`` or ``\UNNNNNNNN``. A backslash becomes ``\\``, so that two different texts never
    have the same escaped form.

    >>> print(displayed("naïve\x1b[2J\u202egpj.exe"))
    naïve\x1b[2J\u202egpj.exe
    """
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(_escaped(character) for character in text)


def printable(text: str) -> str:
    r"""A complete message in a form that is safe on a terminal.

    Like `displayed`, but a backslash is kept: keys in a message are already escaped.
    """
    if text.isprintable():
        return text
    return "".join(character if character == "\\" else _escaped(character) for character in text)


def shortened(text: str, most: int = 100) -> str:
    """An untrusted text, in quotes, for a message: safe on a terminal, and truncated where it is long."""
    return repr(text) if len(text) <= most else f"{text[:most]!r}… ({len(text):,} characters)"


def _escaped(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if character.isprintable():
        return character
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
