"""Moments as they stand in addresses."""

from datetime import UTC, datetime

from django.utils.dateparse import parse_datetime


def parse(text: str) -> datetime | None:
    """A moment from an address; nothing when it is none, or lies out of all bounds."""
    try:
        moment = parse_datetime(text.replace(" ", "+"))
    except ValueError:
        return None
    if moment is None or not 1990 < moment.year < 2200:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
