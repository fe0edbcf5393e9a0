"""Tests of `hyve_pipeline.s3.files`."""
