"""What can be done to identities, as verbs in modules named by noun.

Every act locks its row, asks permissions, writes named fields and the ledger in one
transaction, and says its name afterwards (evidence/nudge.py).
"""
