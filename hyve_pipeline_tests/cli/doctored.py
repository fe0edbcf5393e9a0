"""What `hyve doctor --json` has found, and servers that deny something to it."""

from collections.abc import Callable

from hyve_pipeline_tests.s3.scripted import Answer, Received, error_answer
from hyve_pipeline_tests.syncs import Finished


def verdicts(finished: Finished) -> dict[tuple[str, str], str]:
    return {(check["check"], check["place"]): check["verdict"] for check in finished.document["checks"]}


def detail(finished: Finished, check: str, place: str) -> str:
    found = [each["detail"] for each in finished.document["checks"] if (each["check"], each["place"]) == (check, place)]
    assert len(found) == 1
    return found[0]


def denies(is_denied: Callable[[Received], bool]) -> Callable[[Received], Answer | None]:
    return lambda received: error_answer(403, "AccessDenied") if is_denied(received) else None
