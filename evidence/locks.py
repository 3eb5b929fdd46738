"""Every advisory lock of PostgreSQL that the product takes, and the one way to take it.

Two locks of one number wait for each other, so each has its own here (tests/house/test_locks.py).
A lock may have a key: then only those with the same key wait for each other. A text key is hashed
to 32 bits; two texts of one hash wait for each other and nothing worse. A number stays as it is:
workers of two releases that run side by side have to wait for each other.
"""

from enum import IntEnum, unique
from typing import Any


@unique
class Lock(IntEnum):
    SIGN_INS_ELSEWHERE = 8_628  # counting the sign-ins that wait before one is added
    LEDGER_SEALER = 7_305_441
    RUNS = 7_305_442  # of one source: the key is its id
    JUDGE = 7_305_443  # attributions, findings and usage, which deposits share
    UNDATED_RECORDS = 7_305_444  # looking up when a record without a time was first seen
    DEPOSIT_SEALER = 7_305_445
    ERASURE = 7_305_446  # of one deposit: the key is its id
    # Shared by whoever stores events, exclusive for whoever erases names. Taken in SQL
    # (evidence/migrations/0013_erasing_further.py), as the next one that says so.
    NAMES = 7_305_447
    FREEZE = 7_305_448  # shared by whoever freezes evidence, exclusive for whoever erases it
    CREDENTIAL_BIRTHS = 7_305_451
    BINDING_PROPOSALS = 7_305_452
    REGISTRATION = 7_305_453  # registration files and lists of people
    SUCCESSIONS = 7_305_454
    ISSUANCE_LINKS = 7_305_455  # links by issuance and by inference
    FIRST_GAPS = 7_305_456  # the gap before the first pull of a source
    NOTICES = 7_305_457  # sending, held for a session
    SIGNALS = 7_305_458  # writing what receivers are told
    CLAIMS = 7_305_460
    READINGS = 7_305_461  # shared by whoever handles a deposit, exclusive for replacing a reading
    ACCOUNT_ATTEMPTS = 7_305_462  # of one address: the key is its text
    BREAK_GLASS_ACCOUNTS = (
        7_305_463  # taken in SQL (reviews/migrations/0031_break_glass_accounts.py)
    )
    AUTOMATIC_HOLDS = 7_305_464
    CUTS_UNDER_POLICY = 7_305_465  # of one policy: the key is its name
    MODE_SIGNATURES = 7_305_466  # shared by whoever cuts, exclusive for signing a step of a mode
    MODE_SWEEP = 7_305_467
    CHANGE_FREEZES = 7_305_468


def take(cursor: Any, lock: Lock, key: int | str | None = None) -> None:
    """Take this lock until the transaction ends, when nobody else has it.

    A number as key is cut to 31 bits.
    """
    if key is None:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [int(lock)])
    elif isinstance(key, str):
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [int(lock), key])
    else:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [int(lock), key % 2_147_483_647])


def take_shared(cursor: Any, lock: Lock) -> None:
    """Take this lock together with others who share it, until the transaction ends."""
    cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [int(lock)])


def try_take(cursor: Any, lock: Lock) -> bool:
    """Take this lock until the transaction ends, unless somebody has it; whether it was taken."""
    cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [int(lock)])
    return bool(cursor.fetchone()[0])


def try_take_for_session(cursor: Any, lock: Lock) -> bool:
    """As `try_take`, until `release` or the end of the connection."""
    cursor.execute("SELECT pg_try_advisory_lock(%s)", [int(lock)])
    return bool(cursor.fetchone()[0])


def release(cursor: Any, lock: Lock) -> None:
    cursor.execute("SELECT pg_advisory_unlock(%s)", [int(lock)])


def take_shared_for_session(cursor: Any, lock: Lock) -> None:
    """Take this lock together with others who share it, until `release_shared`."""
    cursor.execute("SELECT pg_advisory_lock_shared(%s)", [int(lock)])


def release_shared(cursor: Any, lock: Lock) -> None:
    cursor.execute("SELECT pg_advisory_unlock_shared(%s)", [int(lock)])
