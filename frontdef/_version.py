"""The version of the host; plugins cap it as ``frontdef>=0.1,<0.2``."""

__version__ = "0.1.0"
