"""The example of docs/batch-operations.md does what the page says."""

from hyve_pipeline_tests.batching import jobs_server
from hyve_pipeline_tests.docs.markdown import ROOT
from hyve_pipeline_tests.docs.recipes import recipe_of
from hyve_pipeline_tests.docs.test_cookbook import follow
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.places import MakePlace
from hyve_pipeline_tests.syncs import Hyve, MakePair

_RECIPE = recipe_of(ROOT / "docs" / "batch-operations.md")


def test_the_example(make_pair: MakePair, make_place: MakePlace, faulty: FaultyServer, hyve: Hyve) -> None:
    assert {*_RECIPE.settings["batch"]} == {"account_id", "role_arn", "location"}
    pair = make_pair(through=faulty, versioned=True)
    pair.source.put({"photos/1.jpg": b"1", "photos/2.jpg": b"2"})
    client, place = pair.source.client, {"Bucket": pair.source.name, "Key": "photos/large.jpg"}
    upload = client.create_multipart_upload(**place)["UploadId"]
    part = client.upload_part(**place, UploadId=upload, PartNumber=1, Body=b"large")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    client.complete_multipart_upload(**place, UploadId=upload, MultipartUpload=parts)
    with jobs_server(pair, make_place, faulty):
        follow(_RECIPE, hyve)
    assert pair.store.read() == pair.source.read()
