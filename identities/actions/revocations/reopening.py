"""Use of what should be dead re-opens its revocation (rule 9 of the product).

Must not judge behaviour: the finding is identities/findings; here the target is looked at
again, because either it lied or something was overlooked.
"""

from datetime import datetime

from django.db import connection

from evidence import ledger, nudge
from evidence.models import Deposit
from evidence.vocabulary import OUTCOME_OK, PLANE_IDENTITY
from identities.acting import COUNTERSIGN
from identities.models import Revocation

from . import late

# An event of the log, answered ok, with a credential after its stop was effective. A release
# that was asked for since makes use legitimate again; a stop under way is looked at anyway.
USED = """
SELECT r.id, min(e.at), count(*), min(e.id) FROM identities_revocation r
JOIN identities_credential c ON c.id = r.credential_id
JOIN evidence_event e ON e.credential_id = c.actor_id
 AND e.at > r.effective_at AND e.at BETWEEN %(first)s AND %(last)s
 AND e.deposit_id = %(deposit)s AND e.plane = %(plane)s AND e.outcome = %(ok)s
WHERE r.state = 'effective' AND r.step IN ('hold', 'revoke')
  AND NOT EXISTS (SELECT 1 FROM identities_revocation u WHERE u.credential_id = r.credential_id
      AND u.step = 'release' AND u.requested_at > r.requested_at AND u.state <> 'failed')
  AND NOT EXISTS (SELECT 1 FROM identities_revocation o WHERE o.credential_id = r.credential_id
      AND o.step = r.step AND o.state IN ('requested', 'sending', 'sent', 'confirmed'))
GROUP BY r.id
"""


def reopen_on_use(*, deposit: Deposit, now: datetime) -> int:
    """Re-open every effective revocation that this deposit shows was not; how many."""
    if deposit.first_at is None:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            USED,
            {
                "first": deposit.first_at,
                "last": deposit.last_at,
                "deposit": deposit.pk,
                "plane": PLANE_IDENTITY,
                "ok": OUTCOME_OK,
            },
        )
        used = cursor.fetchall()
    for number, at, count, event in used:
        row = (
            Revocation.objects.select_for_update(of=("self",))
            .select_related("identity")
            .get(pk=number)
        )
        if row.state != "effective":
            continue
        times = "1 time" if count == 1 else f"{count} times"
        seen = f"used {times} from {at:%Y-%m-%d %H:%M:%S} UTC, deposit {deposit.pk}, event {event}"
        row.state, row.effective_at, row.not_before = "sent", None, now
        row.attempts, row.leased_until = 0, None
        row.reopened = [*row.reopened, seen]
        row.save(
            update_fields=[
                "state",
                "effective_at",
                "not_before",
                "attempts",
                "leased_until",
                "reopened",
            ]
        )
        ledger.append(
            at=at,
            recorded_at=now,
            by=COUNTERSIGN.ref,
            by_name=COUNTERSIGN.name,
            act="revocation.reopened",
            subject=row.identity.key,
            words=f"{row.key}: {row.words}: not effective: {seen}",
            data={"revocation": row.key, "deposit": deposit.pk, "event": str(event)},
        )
    if used:
        # What had issued it is not effective either.
        ids = [row[0] for row in used]
        actors = Revocation.objects.filter(pk__in=ids).values_list("credential__actor", flat=True)
        late.look_above(set(actors), said=f"deposit {deposit.pk}", now=now)
        nudge.after_commit("revocation.requested")
    return len(used)
