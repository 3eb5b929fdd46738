"""Incidents: opened on an alert, closed on proof."""
