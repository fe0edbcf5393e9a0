"""Gives the assets of a sync other keys and attributes, as a component asks for."""

from collections.abc import Callable, Mapping, Sequence

import dagster as dg

from hyve_pipeline.orchestration.common.steps import SyncAsset

AnyAsset = dg.AssetsDefinition | dg.AssetSpec

# Where Dagster keeps an IO manager in a spec's metadata. Without it the table of the asset could not be stored.
_KEPT_METADATA = "dagster/io_manager_key"


def translated_specs(
    sync: str, assets: Sequence[AnyAsset], translate: Callable[[SyncAsset], dg.AssetSpec]
) -> dict[dg.AssetKey, dg.AssetSpec]:
    """The translated spec of each asset, by its default key.

    Args:
        sync: the sync's name.
        assets: the assets as they are without a translation.
        translate: gives an asset its spec.

    Raises:
        dg.DagsterInvalidDefinitionError: two assets get the same key, or one gets what can't be changed.
    """
    own = (spec for asset in assets for spec in ([asset] if isinstance(asset, dg.AssetSpec) else asset.specs))
    specs = {spec.key: spec for spec in own}
    translated: dict[dg.AssetKey, dg.AssetSpec] = {}
    owners: dict[dg.AssetKey, dg.AssetKey] = {}
    for key, spec in specs.items():
        found = translate(SyncAsset(sync, key.path[-1], spec))
        other = owners.setdefault(found.key, key)
        if other != key:
            raise dg.DagsterInvalidDefinitionError(
                f"sync {sync}: the translation gives {_shown(other)} and {_shown(key)} the same key "
                f"{_shown(found.key)}: use the name of the asset in it, such as key: media/{{{{ asset }}}}"
            )
        if found.partitions_def != spec.partitions_def:
            raise dg.DagsterInvalidDefinitionError(
                f"sync {sync}: the translation changes the partitions of {_shown(key)}: they are the shards of plans, "
                "remove partitions_def from it"
            )
        # Deps are added to those that the sync needs.
        deps = {dep.asset_key for dep in (*spec.deps, *found.deps)}
        translated[key] = found.replace_attributes(deps=sorted(deps))
    return translated


def with_translation(assets: Sequence[AnyAsset], translated: Mapping[dg.AssetKey, dg.AssetSpec]) -> Sequence[AnyAsset]:
    """The assets, built with the translated keys, with the other attributes of their translated specs.

    Args:
        assets: the assets, whose keys are translated already.
        translated: the translated specs, by their default keys.
    """
    keys = {default: spec.key for default, spec in translated.items()}
    by_key = {spec.key: spec for spec in translated.values()}

    def translate(spec: dg.AssetSpec) -> dg.AssetSpec:
        wanted = by_key[spec.key]
        kept = {name: value for name, value in spec.metadata.items() if name == _KEPT_METADATA}
        deps: set[dg.AssetKey] = {keys.get(dep.asset_key, dep.asset_key) for dep in wanted.deps}
        return spec.replace_attributes(
            deps=sorted(deps),
            skippable=wanted.skippable,
            group_name=wanted.group_name,
            description=wanted.description,
            code_version=wanted.code_version,
            automation_condition=wanted.automation_condition,
            freshness_policy=wanted.freshness_policy,
            owners=wanted.owners,
            tags=wanted.tags,
            kinds=wanted.kinds,
            metadata={**wanted.metadata, **kept},
        )

    return list(dg.map_asset_specs(translate, assets))


def _shown(key: dg.AssetKey) -> str:
    return key.to_user_string()
