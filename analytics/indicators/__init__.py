"""Definitions, values, intervals, evidence."""
