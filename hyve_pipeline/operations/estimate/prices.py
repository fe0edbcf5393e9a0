"""Reads the prices of estimates: the user's file, or the example that is part of Hyve."""

import tomllib
from decimal import Decimal
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.model.prices import PriceTable
from hyve_pipeline.core.runtime.named_files import read_named
from hyve_pipeline.core.settings import model

EXAMPLE_PRICES = Path(model.__file__).parent / "prices.toml"


def read_prices(file: str | None) -> PriceTable:
    """The prices in a file; None means the example.

    Raises:
        ConfigurationError: the file can't be read, is not valid TOML, or is no table of prices; the message says where.
    """
    return _example() if file is None else _read(Path(file).expanduser())


@cache
def _example() -> PriceTable:
    """The example; each plan asks for it several times."""
    return _read(EXAMPLE_PRICES)


def _read(path: Path) -> PriceTable:
    try:
        document = tomllib.loads(read_named(path).decode(), parse_float=Decimal)
    except OSError as error:
        raise _error(path, f"the prices can't be read: {error.strerror}") from None
    except ValueError as error:
        raise _error(path, f"is not valid TOML: {error}") from None
    try:
        return PriceTable.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        raise _error(path, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _error(path: Path, problem: str) -> ConfigurationError:
    return ConfigurationError(f"{displayed(str(path))}: {problem}")
