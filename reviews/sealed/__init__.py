"""Sealed credentials: what lies in an envelope for when this application is down.

Owns their declaration by two people, that their use is recognised from evidence, and the look back
at it. Local accounts that sign in here are reviews/accounts.
"""
