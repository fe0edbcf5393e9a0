"""``python -m hyve_pipeline`` is the same as ``hyve``."""

from hyve_pipeline.cli.main import main

if __name__ == "__main__":
    main()
