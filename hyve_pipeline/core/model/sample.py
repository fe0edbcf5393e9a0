"""A pseudo-random share of the keys, determined by each key alone."""

import zlib
from dataclasses import dataclass

from hyve_pipeline.core.base.errors import ConfigurationError

# The number of values of a CRC-32.
_CHECKSUMS = 2**32


@dataclass(frozen=True)
class Sample:
    """About `percent` of all keys.

    Attributes:
        percent: over 0 and at most 100.
        seed: another seed selects other keys.
    """

    percent: float
    seed: str = ""

    def takes(self, key: str) -> bool:
        """Whether the key is in the sample."""
        checksum = zlib.crc32(key.encode("utf-8", "surrogatepass"), zlib.crc32(self.seed.encode()))
        return checksum < self.percent / 100 * _CHECKSUMS


def parse_sample(text: str, seed: str = "") -> Sample:
    """Read a share such as ``1%``, ``0.5%`` or ``100%``.

    Raises:
        ConfigurationError: it is not a share.
    """
    try:
        percent = float(text.strip().removesuffix("%"))
    except ValueError:
        percent = 0.0
    if not (0 < percent <= 100 and text.strip().endswith("%")):
        raise ConfigurationError(f"{text!r} is not a share of the objects such as 1% or 100%")
    return Sample(percent, seed)
