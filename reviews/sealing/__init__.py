"""Sealed cases: absent for everybody but their members, with an end that takes two of them.

Owns sealing and unsealing, who the members are and whom a case is about. Who may see a case is
reviews/visible.py; which rows of the ledger are commitments is evidence/withheld.py, and which
reasons are not said identities/causes.py: both are told here which cases are sealed.
"""
