"""Automatic holds: a finding of a marked class holds what it was done with, by itself, reversibly.

Owns HoldRule and AutomaticHold rows (docs/automatic-holds.md). Rules are rules.py, what a finding
has to rest on is proof.py, the dry run over stored evidence replay.py, the hold itself holding.py,
its incident incidents.py, and what becomes of it settling.py.
"""
