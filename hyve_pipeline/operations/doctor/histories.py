"""Checks what a sync of all versions requires of both buckets: they keep versions, which can be listed and read."""

from hyve_pipeline.core.base.errors import HyveError
from hyve_pipeline.core.model.findings import Finding, Verdict, failed
from hyve_pipeline.core.model.inventory import KeyRange, Side
from hyve_pipeline.operations.inventory.histories import check_keeps_versions
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.version_pins import VersionPins
from hyve_pipeline.s3.listing.history_walk import HistoryWalk
from hyve_pipeline.s3.listing.walk import read_page
from hyve_pipeline.s3.objects.get import read_first_byte
from hyve_pipeline.s3.objects.source_responses import source_error
from hyve_pipeline.s3.wire.errors import ObjectUnreadableError, S3RequestError, bucket_error

# Of the versions on a page, the first key's can be read as an example if they end there.
_PAGE = 100


def examine_histories(side: Side, connection: Connection) -> Finding:
    """Check that a bucket keeps versions, that they can be listed, and that one of the source can be read."""
    try:
        check_keeps_versions(connection)
        walk = HistoryWalk(connection.place, KeyRange(), _PAGE, (), connection.listing_dialect)
        found = read_page(connection, walk, connection.send(walk.request()).result()).table
        if side == "source" and found.num_rows:
            _read(connection, found.column("key")[0].as_py(), found.column("version_id")[0].as_py())
    except S3RequestError as error:
        return failed("versioning", side, HyveError(str(bucket_error(error, connection.place))))
    except HyveError as error:
        return failed("versioning", side, error)
    can = "listed and read" if side == "source" else "listed"
    return Finding("versioning", side, Verdict.OK, f"enabled: all versions can be {can}")


def _read(connection: Connection, key: str, version_id: str) -> None:
    """Read a byte of a version; that it is archived, or a delete marker, is no failure."""
    connection.versions = VersionPins({key: version_id}.get)
    try:
        read_first_byte(connection, key).result()
    except S3RequestError as error:
        if error.status != 405 and not isinstance(source_error(error), ObjectUnreadableError):
            raise
    finally:
        connection.versions = None
