"""Verdicts: pure functions from records to findings."""
