"""The setting by which archived objects are restored."""

from typing import Annotated, Literal

from pydantic import Field

from hyve_pipeline.core.settings.places import SettingsTable


class RestoreSettings(SettingsTable):
    """How archived objects of the source are restored, so that later plans can copy them.

    Attributes:
        days: for how many days they can be read.
        tier: how fast they are restored; ``Bulk`` costs least, and has them back within 12 hours, or 48 hours from
            ``DEEP_ARCHIVE``.
    """

    days: Annotated[int, Field(ge=1, le=365)] = 3
    tier: Literal["Bulk", "Standard", "Expedited"] = "Bulk"
