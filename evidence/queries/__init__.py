"""What pages ask of evidence: plain functions over rows, each with a bound and a scope.

They give dicts and named tuples, never rows to be changed. A scope is the actors whose events
may be seen, computed by the apps above (evidence/permissions.py); None is everything.
"""
