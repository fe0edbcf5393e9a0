"""Takes the pictures of the web UI that the README shows, into ``docs/pictures``.

    .venv/bin/pip install playwright
    .venv/bin/python docs/take_pictures.py [--browser /usr/bin/chromium]

It fills an embedded S3 server with 1,500 source and 1,200 store objects, runs the commands on it, and looks at
the outcome in the UI, each page only when nothing on it is loading any more.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, sync_playwright

from hyve_pipeline.core.settings import Options
from hyve_pipeline.demo.buckets import SOURCE_BUCKET, STORE_BUCKET, fill
from hyve_pipeline.demo.home import claimed_home, configure, own_environment
from hyve_pipeline.demo.images import make_album
from hyve_pipeline.demo.server import EmbeddedServer

PICTURES = Path(__file__).parent / "pictures"

# So that the pages look as they do on a person's machine: nothing but ourselves is fetched.
_BROWSER_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
