"""Requests, responses, checksums and errors as S3 has them."""
