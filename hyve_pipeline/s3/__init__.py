"""The only code that speaks S3."""
