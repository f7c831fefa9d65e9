"""Metrics: pure kernels, window jobs, indicators with evidence."""
