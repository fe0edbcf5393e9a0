"""The keys that plans have for keys of the source: those of the store, where the sync has a mapping."""

from collections.abc import Iterable

from hyve_pipeline.core.base.errors import RefusedError
from hyve_pipeline.core.settings.mapping import key_mapping
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.mapped import CheckedNames
from hyve_pipeline.operations.inventory.object_rows import rows_of_keys
from hyve_pipeline.s3.wire.errors import naming_bucket


def names_in_plans(context: SyncContext, keys: Iterable[str]) -> dict[str, str | None]:
    """What each of some keys of the source is called in plans; None for one that the mapping leaves out.

    That no two keys become one is proved of each, as of all keys that are listed. A key that fails the proof is looked
    at: where the source does not have it, no object would become another one's, and it is left out.

    Args:
        context: the sync.
        keys: the keys below the source's prefix.

    Raises:
        RefusedError: the source has a key that would become another one's, or what is no key.
        BucketError: the source can't be reached.
        IncompleteInventoryError: the source did not say of a key whether it is there.
    """
    rules = context.settings.mapping
    if not rules:
        return {key: key for key in keys}
    source = context.place("source")
    prefix = source.prefix
    checked = CheckedNames(key_mapping(rules), source, context.place("store"))
    names: dict[str, str | None] = {}
    refused: dict[str, RefusedError] = {}
    for key in keys:
        try:
            names[key] = checked(key)
        except RefusedError as error:
            names[key] = None
            refused[prefix + key] = error
    if refused:
        with context.connect(source) as connection, naming_bucket(connection.place):
            found = rows_of_keys(connection, [*refused], context.settings.options.concurrency)
        for key, error in refused.items():
            if found[key] is not None:
                raise error
    return names
