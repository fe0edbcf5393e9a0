"""The names of the reports of S3 Inventory: the minute in which S3 began each.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html
"""

import re

_FOLDER = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}-[0-9]{2}Z")


def is_report_folder(name: str) -> bool:
    """Whether a folder's name, without ``/``, is that of a report, such as ``2026-11-28T01-00Z``."""
    return _FOLDER.fullmatch(name) is not None


def is_report_date(text: str) -> bool:
    """Whether a text is the beginning of a report's name: ``2026-11-28``, or more of it."""
    return re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}(-[0-9]{2}Z?)?)?", text) is not None
