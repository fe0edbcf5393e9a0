"""The settings of ``hyve.toml``, typed and frozen.

No setting contains a secret. A side names an AWS profile; the keys stay in the user's credentials file.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.settings.batch import BatchSettings
from hyve_pipeline.core.settings.events import EventSettings
from hyve_pipeline.core.settings.field_checks import JsonSchema
from hyve_pipeline.core.settings.fields import (
    MailAddress,
    Owner,
    Schedule,
    SecretFile,
    ShellWords,
    SyncName,
    Tags,
    TimezoneName,
    VariableName,
    WebhookUrl,
)
from hyve_pipeline.core.settings.home import HomeSettings
from hyve_pipeline.core.settings.mapping import MappingRule, check_rules
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.core.settings.place_fields import split_uri
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.core.settings.table import SettingsTable, contradiction

ApplyMode = Literal["never", "copies", "all"]


class Automation(SettingsTable):
    """How plans are applied and retried automatically, how alerts are sent, and how long plans are kept."""

    running: bool = Field(
        default=False,
        description="Whether the schedule and the sensors are on without being switched on in the UI.",
    )
    interval_seconds: int = Field(default=30, ge=1, le=86_400, description="Seconds between two ticks of a sensor.")
    runs: int = Field(
        default=1,
        ge=1,
        le=1_000,
        description=(
            "How many Dagster runs the sensor applies a plan with, each of which claims one shard after another; "
            "more than one is for launchers that have many machines."
        ),
    )
    shard_attempts: int = Field(
        default=5,
        ge=1,
        le=100,
        description="How many runs the sensor requests for a shard before it gives up.",
    )
    retry_seconds: int = Field(
        default=60,
        ge=0,
        le=86_400,
        description="Seconds after its first failure until a shard is retried; doubled with each further failure.",
    )
    stalled_minutes: int = Field(
        default=30,
        ge=1,
        le=100_000,
        description="Minutes without progress in its journal after which a run is reported as stalled.",
    )
    webhook: WebhookUrl | None = Field(default=None, description="URL that alerts are posted to, as JSON.")
    webhook_variable: VariableName | None = Field(
        default=None,
        description="The environment variable that contains this URL, if the URL is a secret.",
    )
    webhook_file: SecretFile | None = Field(default=None, description="The file that contains this URL, likewise.")
    slack_variable: VariableName | None = Field(
        default=None,
        description=(
            "The environment variable that contains the URL of an incoming webhook of Slack, which is a secret, "
            "for alerts in Slack's form."
        ),
    )
    slack_file: SecretFile | None = Field(default=None, description="The file that contains this URL.")
    mail_command: ShellWords | None = Field(
        default=None,
        description="The command that sends an alert by mail; it reads the message, with headers, from standard input.",
    )
    mail_to: tuple[MailAddress, ...] = Field(
        default=(),
        strict=False,
        description="The recipients in the header `To` of that message.",
    )
    keep_plans: Annotated[int, Field(ge=1, le=1_000_000), JsonSchema(examples=[30])] | None = Field(
        default=None,
        description="How many of the newest plans retention keeps.",
    )
    keep_days: Annotated[int, Field(ge=1, le=36_500), JsonSchema(examples=[90])] | None = Field(
        default=None,
        description="How many days retention keeps a plan.",
    )
    keep_event_plans: Annotated[int, Field(ge=1, le=1_000_000), JsonSchema(examples=[2000])] | None = Field(
        default=None,
        description="How many of the newest plans of events retention keeps, of those that the other rules keep.",
    )

    @model_validator(mode="after")
    def _check_alerts(self) -> "Automation":
        for names in (("webhook", "webhook_variable", "webhook_file"), ("slack_variable", "slack_file")):
            given = [name for name in names if getattr(self, name) is not None]
            if len(given) > 1:
                raise contradiction(given[1], f"{given[0]} and {given[1]} are both set: keep one of them")
        if self.mail_to and self.mail_command is None:
            raise contradiction("mail_to", 'requires mail_command, such as "sendmail -t"')
        return self


# What of a sync has a meaning for all versions, too.
_WITH_VERSIONS = {
    *("name", "source", "store", "options", "schedule", "timezone", "apply", "automation", "owners", "tags"),
}


class SyncSettings(SettingsTable):
    """One table ``[sync.NAME]``."""

    name: SyncName = Field(description="The sync's name, the first part of every asset key and job name.")
    source: BucketSettings = Field(description="The bucket that is copied; never written.")
    store: BucketSettings = Field(description="The bucket that becomes an exact copy.")
    options: Options = Field(default=Options(), description="How objects are compared, limited and copied.")
    schedule: Schedule | None = Field(
        default=None,
        description="Cron expression of the dryruns; left out, there is no schedule.",
    )
    timezone: TimezoneName = Field(default="UTC", description="IANA name of the schedule's time zone.")
    apply: ApplyMode = Field(default="never", description="Which part of each new plan is applied automatically.")
    automation: Automation = Field(default=Automation(), description="How plans are applied and retried automatically.")
    batch: BatchSettings | None = Field(
        default=None,
        description="How S3 Batch Operations makes copies where a command asks for that; left out, it can't.",
    )
    events: EventSettings | None = Field(
        default=None,
        description=(
            "The queue of the source's events, by which the sync is followed between its plans of all keys; left out, "
            "it is not."
        ),
    )
    mapping: tuple[MappingRule, ...] = Field(
        default=(),
        strict=False,
        description=(
            "Rules by which keys get other names in the store; the first one that fits decides, and a key that none "
            "fits is left out of the sync in both buckets. Without any, all keys keep their names."
        ),
    )
    owners: tuple[Owner, ...] = Field(
        default=(),
        strict=False,
        description="The owners of the assets in Dagster: mail addresses, and teams as `team:name`.",
    )
    tags: Tags = Field(default={}, description="The tags of the assets in Dagster.")

    @model_validator(mode="after")
    def _check_places(self) -> "SyncSettings":
        if self.options.versions == "all":
            self._check_versions()
        if self.mapping:
            check_rules(self.mapping)
            if self.batch is not None:
                reason = "jobs of S3 Batch Operations can't rename objects"
                raise contradiction("batch", f"can't be combined with mapping: {reason}")
        # The server is known only if the settings name it, so this is checked again once it is known.
        overlap = self.overlap
        if overlap is not None:
            raise PydanticCustomError(
                "overlap",
                "{problem}; neither may contain the other",
                {"setting": overlap.setting, "problem": overlap.problem},
            )
        return self

    def _check_versions(self) -> None:
        """Refuse what can't be combined with all versions; that is also all that is not known here."""
        others = {name: getattr(self, name) for name in SyncSettings.model_fields.keys() - _WITH_VERSIONS}
        others = {name: value for name, value in others.items() if value != SyncSettings.model_fields[name].default}
        others |= {f"{side}.inventory": getattr(self, side).inventory for side in ("source", "store")}
        for name, value in others.items():
            if value is not None:
                raise contradiction(name, 'can\'t be combined with options.versions = "all"')

    @property
    def overlap(self) -> "Overlap | None":
        """Two of source, store, trash, reports and jobs that overlap, as far as their servers are known; else None."""
        if self.source.overlaps(self.store):
            return Overlap("store", self.store, "source", self.source)
        trash = self.trash
        for side, place in (("source", self.source), ("store", self.store)):
            if trash is not None and trash.overlaps(place):
                return Overlap("options.trash", trash, side, place)
            # What the source does not have is deleted from the store.
            reports = place.reports
            if reports is not None and reports.overlaps(self.store):
                return Overlap(f"{side}.inventory", reports, "store", self.store)
            jobs = self.jobs
            if jobs is not None and jobs.overlaps(place):
                return Overlap("batch.location", jobs, side, place)
        return None

    @property
    def trash(self) -> BucketSettings | None:
        """The trash as a place on the store's server, used with the store's credentials.

        It is never accelerated: that must be enabled for each bucket, and only copies within AWS go to the trash.
        """
        if self.options.trash is None:
            return None
        bucket, prefix = split_uri(self.options.trash)
        return self.store.beside(bucket, prefix)

    @property
    def jobs(self) -> BucketSettings | None:
        """Where manifests and reports of S3 Batch Operations are, reached with the store's settings; None without."""
        return None if self.batch is None else self.store.beside(*split_uri(self.batch.location))


@dataclass(frozen=True)
class Overlap:
    """Two places of a sync that overlap.

    Attributes:
        setting: the setting to correct, ``store``, ``options.trash``, ``SIDE.inventory`` or ``batch.location``.
        place: its place.
        other: the side that it overlaps.
        other_place: the place of that side.
    """

    setting: str
    place: BucketSettings
    other: str
    other_place: BucketSettings

    @property
    def problem(self) -> str:
        """What overlaps what."""
        return f"overlaps the {self.other}: {displayed(self.place.uri)} and {displayed(self.other_place.uri)}"


class Settings(SettingsTable):
    """The whole of ``hyve.toml``."""

    home: HomeSettings = Field(default=HomeSettings(), description="Where the state is.")
    sync: dict[str, SyncSettings] = Field(default={}, description="The syncs by name.")
