"""S3 Batch Operations: jobs, their manifests and their completion reports."""
