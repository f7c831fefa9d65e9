"""Incidents: state machines over road users and pictures that say why they speak."""
