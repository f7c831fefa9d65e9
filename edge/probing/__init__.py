"""Probes of the link: round trip, one-way delay and rate, within a budget of bytes."""
