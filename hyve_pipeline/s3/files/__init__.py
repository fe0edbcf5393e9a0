"""The objects of a state that is kept on S3."""
