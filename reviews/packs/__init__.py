"""The auditor's pack of a case: one zip that shows, without this app, what was decided on what.

    packs.why_not_take(case, user, now=now)   # None, or the sentence
    packs.write(into, case, by=user, now=now) # the zip; one row in the ledger

contents.py owns what is in it, zipping.py how it is put together and signed; who opens it checks it
with the script inside (scripts/verify_pack.py).
"""

from reviews.packs.zipping import why_not_take, write

__all__ = ["why_not_take", "write"]
