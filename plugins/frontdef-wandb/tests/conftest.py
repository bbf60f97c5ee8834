"""Fixtures that every plugin takes."""

from frontdef.testing import cache, one_thread, own_cache  # noqa: F401
