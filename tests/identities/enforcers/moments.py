"""One moment for tests that need any."""

from datetime import UTC, datetime

NOW = datetime(2026, 11, 24, 15, 48, 10, tzinfo=UTC)
