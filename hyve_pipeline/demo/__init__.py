"""An embedded S3 server and made-up images, to try everything without an account."""
