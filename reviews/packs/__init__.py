"""The auditor's pack: one zip that shows, without this app, what was decided on what.

    packs.subjects.why_not_take(user, subject, now=now)  # None, or the sentence
    packs.write(into, row, by=user, now=now)             # the zip of a case, identity, campaign, capsule
    packs.ordering.take(subject, by=user, now=now)       # the same with its row: at once, or by the worker
    packs.handing.hand_over(pack, ...)                   # whom it was given to

subjects.py owns what a pack may be of, contents.py, doors.py and wholes.py what is in it, writing.py
its order, zipping.py how it is put together and signed, reading.py what of it people read; who opens
it checks it with the script inside (scripts/verify_pack.py).
"""

from reviews.packs.writing import write

__all__ = ["write"]
