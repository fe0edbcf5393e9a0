"""Reads the head of an answer as it was sent, where Python's HTTP library loses a part of it without a word.

That library takes a head for whole which the end of the connection cuts short, in the middle of a value too. And it
passes over all headers that follow a line which is none. Either way an object would lose metadata.
"""

import re
from http.client import HTTPResponse, RemoteDisconnected
from typing import Any, BinaryIO, cast

from botocore.awsrequest import AWSHTTPConnection, AWSHTTPSConnection

# A header as of RFC 9110: a name without spaces, and a colon at once.
_HEADER = re.compile(rb"[!-9;-~]+:")
_ENDS = (b"\r\n", b"\n")


class _Lines:
    """The lines of one head, without those that are no headers, as other clients leave them out."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._is_status = True  # the next line is the one before the headers
        self._is_header = False  # the line before belongs to a header
        self.is_cut = False

    def readline(self, limit: int = -1) -> bytes:
        while line := self._file.readline(limit):
            if len(line) == limit:
                return line  # longer than any line may be: who asks for it raises
            if not line.endswith(b"\n"):
                break
            if line in _ENDS:
                self._is_status = True  # if that was an interim answer (100 Continue)
                return line
            if self._is_status:
                self._is_status = self._is_header = False
                return line
            if not line.startswith((b" ", b"\t")):
                self._is_header = _HEADER.match(line) is not None
            if self._is_header:
                return line
        self.is_cut = True
        return b""

    def close(self) -> None:
        self._file.close()


class WholeHeadResponse(HTTPResponse):
    """An answer that has begun once its whole head is there."""

    def begin(self) -> None:
        """Read the head.

        Raises:
            RemoteDisconnected: the connection ended in the middle of it.
        """
        file = self.fp
        lines = _Lines(cast(BinaryIO, file))
        self.fp = cast(Any, lines)
        try:
            super().begin()
        finally:
            # It may have been closed meanwhile.
            self.fp = file if self.fp is lines else self.fp
        if lines.is_cut:
            raise RemoteDisconnected("the connection was closed in the middle of the answer's headers")


def read_whole_heads() -> None:
    """Let connections of botocore's that are opened from now on read heads so.

    Those of other clients in this process too: a session of botocore has no way to choose the class of its connections.
    To them, an answer whose head was cut short is a connection that was closed, which they try again.
    """
    AWSHTTPConnection.response_class = AWSHTTPSConnection.response_class = WholeHeadResponse
