"""Whether sensors and schedule are on before the user has switched them in the UI."""

import dagster as dg

from hyve_pipeline.operations.context import SyncContext


def sensor_status(sync: SyncContext) -> dg.DefaultSensorStatus:
    """The status of the sync's sensors until the user switches them."""
    running = sync.settings.automation.running
    return dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED


def schedule_status(sync: SyncContext) -> dg.DefaultScheduleStatus:
    """The status of the sync's schedule until the user switches it."""
    running = sync.settings.automation.running
    return dg.DefaultScheduleStatus.RUNNING if running else dg.DefaultScheduleStatus.STOPPED
