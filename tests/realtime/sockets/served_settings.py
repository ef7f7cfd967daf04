"""The product's settings for a server process that works on the tests' own database."""

import os
from typing import Any

from personalq.settings import *  # noqa: F403
from personalq.settings import CHANNEL_LAYERS, DATABASES

DATABASES["default"]["NAME"] = os.environ["TEST_DATABASE_NAME"]
if "TEST_LAYER_URL" in os.environ:
    layer: dict[str, Any] = CHANNEL_LAYERS["default"]
    layer["CONFIG"]["hosts"][0]["address"] = os.environ["TEST_LAYER_URL"]
