"""Campaigns: many access reviews opened together under one policy.

preview.py says what a launch would do, launching.py does it in batches, progress.py counts how
far it is, steering.py makes, pauses, extends, asks again and closes. All write through
reviews/actions as everybody else does; nothing here decides anything.
"""
