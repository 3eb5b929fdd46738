"""Write access to outside systems: one adapter per system, and nothing else that can change one.

Owns how a step (hold, release, narrow, suspend, resume, revoke) is made in a system, looked at
afterwards, and what lives on. Must not know Django, rows, cases or people.
"""
