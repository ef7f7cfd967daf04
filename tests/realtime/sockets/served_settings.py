"""The product's settings for a server process that works on the tests' own database."""

import os

from personalq.settings import *  # noqa: F403
from personalq.settings import DATABASES

DATABASES["default"]["NAME"] = os.environ["TEST_DATABASE_NAME"]
