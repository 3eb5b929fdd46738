"""Shared signals that go out (OpenID SSF 1.0, CAEP 1.0): what is told, to whom, and what waits.

Owns the rows and the rules; what leaves over HTTP is identities/enforcers/signal_push.py, the
addresses that receivers call identities/api/signals.py. What comes in from others is evidence
(evidence/sources/signals.py), and nothing here knows it.
"""
