"""How many bytes are hashed."""

from collections import Counter
from collections.abc import Callable

import pytest

from hyve_pipeline.s3.wire import checksums


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many bytes were hashed here, by algorithm."""
    counted: Counter[str] = Counter()
    digest: Callable[[str, bytes], bytes] = checksums._digest  # pyright: ignore[reportPrivateUsage]

    def count(algorithm: str, data: bytes) -> bytes:
        counted[algorithm] += len(data)
        return digest(algorithm, data)

    monkeypatch.setattr(checksums, "_digest", count)
    return counted
