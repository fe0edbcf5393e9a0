"""Sends alerts on the configured channels, each finding at most once on each.

The sensor of Dagster and commands both find what requires an alert. So before a finding is sent on a channel, a file of
the state claims that; where the channel certainly did not accept the alert, the claim is given back.
"""

from collections.abc import Sequence

from hyve_pipeline.core.base.errors import ConfigurationError, HyveError
from hyve_pipeline.core.model.alerts import Finding, alerts_of
from hyve_pipeline.operations.alert_channels import AlertNotTakenError, AlertUnknownError, Channel, channels_of
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.state.files import Folder

# Claims are needed as long as anything may find the same again.
_KEPT_SECONDS = 30 * 24 * 3600.0


def send_alerts(sync: SyncContext, findings: Sequence[Finding]) -> None:
    """Send findings on every configured channel; those of one kind, job and plan are one alert.

    Raises:
        ConfigurationError: where to send them to can't be read.
        AlertNotTakenError: a channel did not accept an alert; with the next call it is sent again.
        AlertUnknownError: a channel may have accepted it.
        StateError: the state can't be written.
    """
    if not findings:
        return
    problems: list[HyveError] = []
    for channel in channels_of(sync.settings.automation):
        problems += _send(sync, channel, findings)
    if problems:
        # First what is sent again: a sensor repeats its tick then.
        raise min(problems, key=lambda problem: isinstance(problem, AlertUnknownError))


def _send(sync: SyncContext, channel: Channel, findings: Sequence[Finding]) -> list[HyveError]:
    claims = sync.state.below(f"alerts/{channel.kind}")
    claimed = [finding for finding in findings if claims.create(finding.identity, _CONTENT)]
    problems: list[HyveError] = []
    for alert, group in alerts_of(sync.name, claimed):
        try:
            channel.send(alert)
        except (AlertNotTakenError, ConfigurationError) as problem:
            for finding in group:
                claims.remove(finding.identity)
            problems.append(problem)
        except AlertUnknownError as problem:
            problems.append(problem)
    if claimed:
        _remove_old(claims)
    return problems


_CONTENT = b"sent\n"


def _remove_old(claims: Folder) -> None:
    for entry in claims.entries():
        if entry.age > _KEPT_SECONDS:
            claims.remove(entry.name)
