"""ONVIF: find cameras, list what they offer, and where it is to be had."""
