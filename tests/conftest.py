"""Fixtures that several tests share."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from frontdef.testing import cache, one_thread, own_cache  # noqa: F401
