"""The component `BucketSync`: a sync in the user's own Dagster project, written as YAML."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, ClassVar

import dagster as dg
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationError,
    WithJsonSchema,
    create_model,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError

from hyve_pipeline.core.base.errors import ConfigurationError, StateError
from hyve_pipeline.core.settings.events import EventSettings
from hyve_pipeline.core.settings.field_checks import JsonSchema
from hyve_pipeline.core.settings.fields import (
    SYNC_NAME_RULE,
    Owner,
    Schedule,
    SyncName,
    Tags,
    TimezoneName,
    is_sync_name,
)
from hyve_pipeline.core.settings.mapping import MappingRule
from hyve_pipeline.core.settings.model import ApplyMode, Automation, SyncSettings
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.operations.context import Home, SyncContext
from hyve_pipeline.orchestration.common.dagster_private import loading_location
from hyve_pipeline.orchestration.common.steps import (
    Customization,
    OpSettings,
    Step,
    StepContext,
    StepEvent,
    SyncAsset,
)
from hyve_pipeline.orchestration.component.scaffold import BucketSyncScaffolder
from hyve_pipeline.orchestration.component.schema import attributes_schema
from hyve_pipeline.orchestration.component.translation import Translation, translation_of
from hyve_pipeline.orchestration.component.yaml import rendered, wrong_attributes
from hyve_pipeline.orchestration.definitions.build import build_sync

_DESCRIPTION = (
    "Keeps one S3 bucket an exact, provable copy of another: inventories, a plan that is judged as a whole, copies and "
    "deletes shard by shard, a verification."
)


class _Attributes(BaseModel):
    """The attributes as written in the file: they may have templates, so they are checked later."""

    model_config = ConfigDict(extra="allow")

    component: ClassVar[type["BucketSync"]]

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return attributes_schema(cls.component, BucketSync.model_fields)


@dg.scaffold_with(BucketSyncScaffolder)
class BucketSync(dg.Component, dg.Model, dg.Resolvable):
    """Keeps one S3 bucket, the store, an exact, provable copy of another, the source.

    Gives a project the assets, checks, jobs, partitions, schedule and resources of one sync, all named after it:
    a dryrun lists both buckets and freezes a plan, copies and deletes apply exactly that plan, shard by shard, and a
    verification lists the store again. Several of them live in one project.
    """

    model_config = ConfigDict(frozen=True)

    source: BucketSettings
    store: BucketSettings
    options: Options = Options()
    schedule: Schedule | None = None
    timezone: TimezoneName = "UTC"
    apply: ApplyMode = "never"
    automation: Automation = Automation()
    events: EventSettings | None = None
    mapping: tuple[MappingRule, ...] = ()
    owners: tuple[Owner, ...] = ()
    tags: Tags = Field(default={})
    name: SyncName | None = Field(
        default=None,
        description=(
            "The sync's name, the first part of every asset key and job name; by default the name of the folder."
        ),
    )
    home: Annotated[str, Field(min_length=1), JsonSchema(examples=["/var/lib/hyve"])] | None = Field(
        default=None,
        description=(
            "The folder that keeps all state, of all syncs that name it; below the project where it is relative. "
            "By default `HYVE_HOME`, else `~/.hyve`."
        ),
    )
    translation: Annotated[Translation | None, WithJsonSchema({})] = Field(
        default=None,
        description=(
            "Key, group, description, metadata, tags, kinds and more of every asset, instead of the default ones; "
            "templates may have `spec`, `name` (of the asset, such as `plan`) and `sync` in them."
        ),
    )
    op: OpSettings = Field(default=OpSettings(), description="Name, tags, description and pool of all ops.")

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        """What lists of components show."""
        return dg.ComponentTypeSpec(
            description=_DESCRIPTION,
            tags=["s3", "sync"],
            produces=["asset", "asset_check", "job", "schedule", "sensor", "resource"],
        )

    @classmethod
    def model(cls) -> type[BaseModel]:
        """The model that Dagster reads the file with. Its own, derived one has unreadable messages."""
        attributes = create_model(f"{cls.__name__}Attributes", __base__=_Attributes)
        attributes.component = cls
        return attributes

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> "BucketSync":
        """The component of a file; one without attributes too, so that messages have a line."""
        return super().load(cls.model()() if attributes is None else attributes, context)

    @classmethod
    def resolve_from_model(cls, context: dg.ResolutionContext, model: BaseModel) -> "BucketSync":
        """The component that the file describes.

        Raises:
            dg.DagsterInvalidDefinitionError: an attribute is wrong; the message has its line.
        """
        try:
            attributes = model.model_dump()
            # Its templates are rendered for each asset.
            translation = attributes.pop("translation", None)
            values = rendered(context, attributes)
            if translation is not None:
                values["translation"] = translation_of(context, translation)
            return cls.model_validate(values)
        except ValidationError as error:
            errors = error.errors(include_url=False)
        raise wrong_attributes(context, cls, errors)

    @model_validator(mode="after")
    def _check_together(self) -> "BucketSync":
        for side, place in (("source", self.source), ("store", self.store)):
            if place.resource is not None and place.profile is not None:
                raise PydanticCustomError(
                    "contradiction",
                    "profile and resource are both set: keep one of them",
                    {"setting": f"{side}.resource"},
                )
        try:
            self._settings("sync")
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise PydanticCustomError(first["type"], first["msg"], first.get("ctx")) from None  # pyright: ignore
        return self

    def _settings(self, name: str) -> SyncSettings:
        # Not all of a sync: `batch` is for a command alone, as a run would wait for its jobs for hours or days.
        shared = SyncSettings.model_fields.keys() & BucketSync.model_fields.keys() - {"name"}
        return SyncSettings(name=name, **{field: getattr(self, field) for field in shared})

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The definitions of the sync.

        Raises:
            dg.DagsterInvalidDefinitionError: it has no name, and can't have the folder's, or its state belongs
            to other buckets.
        """
        custom = Customization(self._translated, self.execute, self.op)
        settings, home = self._settings(self._name(context.path)), self._home(context.project_root)
        _check_home(home, settings)
        location = loading_location() or context.component_tree.code_location_name
        return build_sync(home, settings, location, custom)

    def get_asset_spec(self, asset: SyncAsset) -> dg.AssetSpec:
        """The spec of an asset of the sync. Override it in a subclass to change keys, groups, metadata and more.

        A `translation` of the file is applied to what it returns.

        Args:
            asset: the asset, with its default spec.
        """
        return asset.spec

    def execute(self, context: StepContext, step: Step) -> Iterator[StepEvent]:
        """Do a step of the sync in a run. Override it in a subclass to do something before or after it.

        Args:
            context: Dagster's context of the op.
            step: the step, such as ``diff`` or ``copy``.

        Yields:
            The step's results and events, all of which Dagster must get.
        """
        yield from step.run()

    def _translated(self, asset: SyncAsset) -> dg.AssetSpec:
        spec = self.get_asset_spec(asset)
        return spec if self.translation is None else self.translation(spec, asset)

    def _name(self, path: Path) -> str:
        if self.name is not None:
            return self.name
        # A component in Python is a file of any name in its folder.
        folder = path.parent if path.is_file() else path
        name = re.sub(r"[^A-Za-z0-9_]", "_", folder.name)
        if not is_sync_name(name):
            raise dg.DagsterInvalidDefinitionError(
                f"{folder}: the folder's name is not a sync name ({SYNC_NAME_RULE}): add a name to the attributes"
            )
        return name

    def _home(self, project: Path) -> Home:
        return Home.from_environment() if self.home is None else Home(project / Path(self.home).expanduser())


def _check_home(home: Home, sync: SyncSettings) -> None:
    """Check that a state in a folder is the sync's own. A state in a bucket is not read before a run begins.

    Raises:
        dg.DagsterInvalidDefinitionError: the state belongs to other buckets.
    """
    if home.storage.folder is None:
        return
    # What can't be read is an error of the runs that need it.
    with suppress(StateError):
        try:
            SyncContext(home, sync).check_pair()
        except ConfigurationError as error:
            raise dg.DagsterInvalidDefinitionError(str(error)) from None
