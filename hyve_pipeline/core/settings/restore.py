"""The setting by which archived objects are restored."""

from typing import Literal

from pydantic import Field

from hyve_pipeline.core.settings.table import SettingsTable


class RestoreSettings(SettingsTable):
    """How archived objects of the source are restored, so that later plans can copy them."""

    days: int = Field(default=3, ge=1, le=365, description="For how many days they can be read.")
    tier: Literal["Bulk", "Standard", "Expedited"] = Field(
        default="Bulk",
        description=(
            "How fast they are restored; `Bulk` costs least, and has them back within 12 hours, or 48 hours from "
            "`DEEP_ARCHIVE`."
        ),
    )
