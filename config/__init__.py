"""Wiring: settings, addresses, the schedule, the services. Knows the apps; no app knows it."""
