"""Break-glass: access in a minute, gone on time, and looked at afterwards.

Owns Bundle and BreakGlass rows (docs/break-glass.md). What a bundle says is document.py, how
signatures add up quorum.py, both pure; who may do what is rights.py; the verbs are bundles.py,
asking.py, answering.py, bypassing.py, ending.py and reviewing.py, and sweeping.py does what is due.
What the target is told is identities/actions/grants.
"""
