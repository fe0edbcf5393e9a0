from hyve_pipeline.demo.buckets import SOURCE_BUCKET, STORE_BUCKET, add_images, fill_buckets
from hyve_pipeline.demo.images import ODD_KEYS
from hyve_pipeline_tests.servers import client_for, list_keys


def test_every_set_has_the_reported_number_of_objects(aws_profile: str, second_moto_endpoint: str) -> None:
    client = client_for(second_moto_endpoint)
    filled = fill_buckets(second_moto_endpoint)
    source = _listing(client, SOURCE_BUCKET)
    store = _listing(client, STORE_BUCKET)
    both = source.keys() & store.keys()
    newer = {key for key in both if source[key][0] > store[key][0]}

    assert (len(source.keys() - store.keys()), len(store.keys() - source.keys())) == (filled.new, filled.duplicate)
    assert (len(newer), len(both - newer)) == (filled.modified, filled.unchanged)
    assert min(filled.new, filled.modified, filled.duplicate, filled.unchanged) > 0
    assert 300 <= len(source) <= 900
    assert all(source[key][1] != store[key][1] for key in newer)
    assert all(source[key][1] == store[key][1] for key in both - newer)
    assert set(ODD_KEYS) <= source.keys()
    # More would require an approval: the demo's delete must pass the default limit.
    assert filled.duplicate <= 100

    head = client.head_object(Bucket=SOURCE_BUCKET, Key="albums/2026/0001.jpg")
    assert head["ContentType"] == "image/jpeg"
    assert head["Metadata"]

    assert add_images(second_moto_endpoint) == len(list_keys(client, SOURCE_BUCKET)) - len(source) > 0


def _listing(client, bucket):
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return {entry["Key"]: (entry["LastModified"], entry["ETag"]) for page in pages for entry in page["Contents"]}
