"""The tables of a population: which rows there were at a moment, and what of each the ledger says.

Owns the SQL. Each table has rows (a key, its columns, and the ledger's first and last entry about
the row, or another proof of it) in the order of their keys, and a look for entries of the ledger
that name no row. What has no history of its own is listed in `as_now`: it stands in the rows as it
was when they were read. Reads only.
"""

from datetime import datetime
from typing import NamedTuple

from django.db import connection

from identities.at_moment import KNOWN_SINCE
from identities.models import Identity

NHI = "('NHI-' || CASE WHEN i.number < 10000 THEN lpad(i.number::text, 4, '0') ELSE i.number::text END)"
READ_SO = (
    "AND e.act = 'entitlement.read' AND e.data->>'digest' = n.digest"
    " AND e.data->>'principal' = n.principal"
)
# What the ledger says of a subject up to the moment: its first and its last entry.
ABOUT = """
LEFT JOIN LATERAL (
    SELECT min(e.id) AS first, max(e.id) AS last, count(*) AS many FROM evidence_ledgerentry e
    WHERE e.subject = @subject@ AND e.at <= %(at)s
      AND e.sealed_case IS NULL @only@) l ON true
"""


class Table(NamedTuple):
    """One table. `rows` gives key, then `columns`, then the ids of the first and last entry of the
    ledger about the row, how many there are, and another proof ("" none)."""

    name: str
    columns: str
    rows: str
    unmatched: str  # entries of the ledger, or records, that name no row: (what, id)
    proof: str  # what proves a row, in words
    as_now: str = ""  # columns without a history


def _sql(text: str, subject: str = NHI, only: str = "") -> str:
    """With the names that are written once in their places."""
    text = text.replace("@about@", ABOUT.replace("@subject@", subject).replace("@only@", only))
    return text.replace("@nhi@", NHI)


IDENTITIES = Table(
    "identities",
    "id name kind service legal_entity created_at state purpose ends_at attested_at",
    _sql("""
SELECT @nhi@, i.id, i.name, i.kind, s.slug, i.legal_entity, i.created_at, st.state, a.purpose,
    a.expires_at, a.attested_at, l.first, l.last, l.many, ''
FROM identities_identity i
LEFT JOIN identities_service s ON s.id = i.service_id
LEFT JOIN identities_identitystate st ON st.identity_id = i.id AND st.superseded_at IS NULL
    AND st.during @> %(at)s
LEFT JOIN LATERAL (
    SELECT purpose, expires_at, attested_at FROM identities_attestation n
    WHERE n.identity_id = i.id AND n.attested_at <= %(at)s ORDER BY n.attested_at DESC LIMIT 1
) a ON true
@about@
WHERE i.created_at <= %(at)s ORDER BY i.number
"""),
    """
SELECT 'entry about ' || e.subject, min(e.id) FROM evidence_ledgerentry e
WHERE e.subject ~ '^NHI-[0-9]{1,15}$' AND e.at <= %(at)s AND e.sealed_case IS NULL
  AND NOT EXISTS (SELECT FROM identities_identity i WHERE i.number = substr(e.subject, 5)::bigint)
GROUP BY e.subject ORDER BY 2
""",
    "an entry of the ledger about it",
    "name kind service legal_entity",
)

CREDENTIALS = Table(
    "credentials",
    "id credential realm kind standing identity issued_at issued_by issued_to ends_at state",
    _sql(
        """
SELECT 'CRED-' || c.number, c.id, a.value, a.realm, c.kind, c.standing,
    CASE WHEN i.id IS NULL THEN NULL ELSE @nhi@ END, c.issued_at, ib.value, it.value, c.expires_at,
    st.state, l.first, l.last, l.many,
    CASE WHEN ev.id IS NULL THEN '' ELSE 'event ' || c.issued_event || ' in deposit ' || ev.deposit_id END
FROM identities_credential c
JOIN evidence_actor a ON a.id = c.actor_id
LEFT JOIN identities_identity i ON i.id = c.identity_id
LEFT JOIN evidence_actor ib ON ib.id = c.issued_by_id
LEFT JOIN evidence_actor it ON it.id = c.issued_to_id
LEFT JOIN identities_credentialstate st ON st.credential_id = c.id AND st.superseded_at IS NULL
    AND st.during @> %(at)s
LEFT JOIN evidence_event ev ON ev.at = c.issued_at AND ev.id = c.issued_event
@about@
WHERE @since@ <= %(at)s ORDER BY c.number
""".replace("@since@", KNOWN_SINCE),
        "('CRED-' || c.number)",
    ),
    """
SELECT 'issuance of a credential that has no row', n.event_id FROM evidence_issuance n
WHERE n.at <= %(at)s
  AND NOT EXISTS (SELECT FROM identities_credential c WHERE c.actor_id = n.credential_id)
ORDER BY n.at, n.event_id
""",
    "the record of its issue, or an entry of the ledger about it",
    "identity",
)

ENTITLEMENTS = Table(
    "entitlements",
    "identity system principal since digest possible missing",
    _sql(
        """
SELECT n.id::text, @nhi@, n.system, n.principal, lower(n.during), n.digest, n.possible::text,
    n.missing, l.first, l.last, l.many, ''
FROM identities_entitlement n JOIN identities_identity i ON i.id = n.identity_id
@about@
WHERE n.superseded_at IS NULL AND n.during @> %(at)s ORDER BY n.id
""",
        only=READ_SO,
    ),
    _sql("""
SELECT 'reading of ' || (e.data->>'principal') || ' for ' || e.subject, e.id
FROM evidence_ledgerentry e
WHERE e.act = 'entitlement.read' AND e.at <= %(at)s AND NOT EXISTS (
    SELECT FROM identities_identity i JOIN identities_entitlement n ON n.identity_id = i.id
    WHERE @nhi@ = e.subject AND n.principal = e.data->>'principal' AND n.digest = e.data->>'digest')
ORDER BY e.id
"""),
    "the entry of the reading that found it so",
)

# Who stood in each place at the moment: what is there now, taken back along the changes since. The
# earliest change after the moment says what was there before it.
OWNERS = Table(
    "owners",
    "identity place party known",
    _sql("""
SELECT @nhi@ || '/' || w.place, @nhi@, w.place,
    CASE WHEN x.how IS NULL THEN coalesce(pp.name, pt.name) WHEN x.how = 'name' THEN nullif(x.was, 'None')
         ELSE (SELECT coalesce(p.name, t.name) FROM identities_party q
               LEFT JOIN identities_person p ON p.id = q.person_id
               LEFT JOIN identities_team t ON t.id = q.team_id WHERE q.id::text = x.was) END,
    CASE WHEN x.how IS NULL THEN 'unchanged since' WHEN x.how = 'lost' THEN 'not recorded'
         ELSE 'before the change in entry ' || coalesce(x.entry::text, 'none') END,
    l.first, l.last, l.many, ''
FROM identities_identity i
CROSS JOIN LATERAL (VALUES ('owner', i.owner_id), ('sponsor', i.sponsor_id), ('backup', i.backup_id))
    AS w(place, party)
LEFT JOIN identities_party pa ON pa.id = w.party
LEFT JOIN identities_person pp ON pp.id = pa.person_id
LEFT JOIN identities_team pt ON pt.id = pa.team_id
LEFT JOIN LATERAL (
    SELECT * FROM (
        SELECT e.at, e.id AS entry, e.data->>'from' AS was, 'party' AS how
        FROM evidence_ledgerentry e
        WHERE e.subject = @nhi@ AND e.at > %(at)s AND e.act = 'identity.' || w.place
        UNION ALL
        SELECT e.at, e.id, e.data->>'to', 'party' FROM evidence_ledgerentry e
        WHERE e.subject = @nhi@ AND e.at > %(at)s AND e.act = 'identity.owner'
          AND jsonb_typeof(e.data->'emptied') = 'array' AND e.data->'emptied' ? w.place
        UNION ALL
        SELECT e.at, e.id, e.data->w.place->>0, 'name' FROM evidence_ledgerentry e
        WHERE e.subject = @nhi@ AND e.at > %(at)s AND e.act = 'registered.changed'
          AND jsonb_typeof(e.data->w.place) = 'array'
        UNION ALL
        SELECT e.at, e.id, NULL, 'lost' FROM evidence_ledgerentry e
        WHERE e.subject = @nhi@ AND e.at > %(at)s AND e.act = 'registered.changed'
          AND NOT e.data ? w.place AND e.words ~ ('follows its service in .*' || w.place)
        UNION ALL
        SELECT o.at, NULL, o.was_id::text, 'party' FROM identities_ownerchange o
        WHERE w.place = 'owner' AND o.identity_id = i.id AND o.at > %(at)s
    ) c ORDER BY at, entry NULLS LAST LIMIT 1
) x ON true
@about@
WHERE i.created_at <= %(at)s ORDER BY i.number, w.place
"""),
    _sql("""
SELECT 'owner of ' || e.subject, e.id FROM evidence_ledgerentry e
WHERE e.act IN ('identity.owner', 'identity.owned') AND e.at <= %(at)s AND e.sealed_case IS NULL
  AND NOT EXISTS (SELECT FROM identities_identity i WHERE @nhi@ = e.subject)
ORDER BY e.id
"""),
    "an entry of the ledger about its identity",
)

# Groups have no history: who has a role now and was not given it after the moment.
ROLES = Table(
    "roles",
    "login person role active",
    """
SELECT u.username || '/' || g.name, u.username, p.name, g.name,
    u.is_active OR EXISTS (SELECT FROM evidence_ledgerentry e WHERE e.act = 'person.access_ended'
        AND e.at > %(at)s AND e.data->'logins' ? u.id::text),
    l.first, l.last, l.many, ''
FROM identities_user u
JOIN identities_user_groups ug ON ug.user_id = u.id
JOIN auth_group g ON g.id = ug.group_id
LEFT JOIN identities_person p ON p.id = u.person_id
LEFT JOIN LATERAL (
    SELECT min(e.id) AS first, max(e.id) AS last, count(*) AS many FROM evidence_ledgerentry e
    WHERE e.subject = 'user:' || u.id AND e.at <= %(at)s AND (
        e.act = 'login.made' AND e.words ~ ('is ' || g.name || ' now')
        OR e.act = 'break_glass_account.made' AND e.words ~ g.name)) l ON true
WHERE u.date_joined <= %(at)s AND NOT EXISTS (
    SELECT FROM evidence_ledgerentry e WHERE e.subject = 'user:' || u.id AND e.at > %(at)s
      AND e.act = 'login.made' AND e.words ~ ('is ' || g.name || ' now'))
ORDER BY u.username, g.name
""",
    """
SELECT 'login ' || e.subject, e.id FROM evidence_ledgerentry e
WHERE e.act = 'login.made' AND e.at <= %(at)s
  AND NOT EXISTS (SELECT FROM identities_user u WHERE 'user:' || u.id = e.subject)
ORDER BY e.id
""",
    "the entry that gave the role",
    "login person",
)

TEAMS = Table(
    "teams",
    "team person since until",
    """
SELECT m.id::text, t.name, p.name, lower(m.during), upper(m.during), l.first, l.last, l.many, ''
FROM identities_membership m
JOIN identities_team t ON t.id = m.team_id
JOIN identities_person p ON p.id = m.person_id
LEFT JOIN LATERAL (
    SELECT min(e.id) AS first, max(e.id) AS last, count(*) AS many FROM evidence_ledgerentry e
    WHERE e.subject IN ('team:' || m.team_id, 'person:' || m.person_id)
      AND e.recorded_at = m.recorded_at) l ON true
WHERE m.superseded_at IS NULL AND m.during @> %(at)s ORDER BY m.id
""",
    """
SELECT 'team that is gone: ' || e.subject, min(e.id) FROM evidence_ledgerentry e
WHERE e.subject ~ '^team:[0-9a-f-]{36}$' AND e.at <= %(at)s
  AND NOT EXISTS (SELECT FROM identities_team t WHERE 'team:' || t.id = e.subject)
GROUP BY e.subject ORDER BY 2
""",
    "the entry of the same moment about its team or person",
    "team person",
)

POLICIES = Table(
    "policies",
    "policy version signed_at signed_by in_force document",
    """
SELECT r.name || '/' || r.version, r.name, r.version, r.settled_at, r.settled_by_name,
    r.version = max(r.version) OVER (PARTITION BY r.name), r.document::text, l.first, l.last, l.many,
    CASE WHEN r.recorded_by = 'countersign' THEN 'the first version comes with the product' ELSE '' END
FROM reviews_reviewpolicy r
LEFT JOIN LATERAL (
    SELECT min(e.id) AS first, max(e.id) AS last, count(*) AS many FROM evidence_ledgerentry e
    WHERE e.subject = 'policy: ' || r.name AND e.act = 'policy.signed' AND e.at <= %(at)s
      AND e.data->>'policy' = r.id::text) l ON true
WHERE r.state = 'signed' AND coalesce(r.settled_at, r.recorded_at) <= %(at)s
ORDER BY r.name, r.version
""",
    """
SELECT 'signature of ' || e.subject, e.id FROM evidence_ledgerentry e
WHERE e.act = 'policy.signed' AND e.at <= %(at)s AND NOT EXISTS (
    SELECT FROM reviews_reviewpolicy r WHERE r.id::text = e.data->>'policy' AND r.state = 'signed')
ORDER BY e.id
""",
    "the entry of its signature",
)

_OF_ONE = OWNERS.rows.replace("WHERE i.created", "WHERE i.id = %(identity)s AND i.created", 1)


def owners_of(identity: Identity, *, at: datetime) -> dict[str, str]:
    """Who was owner, sponsor and backup of one identity at a moment, by name; without a place in
    which nobody was."""
    with connection.cursor() as cursor:
        cursor.execute(_OF_ONE, {"identity": identity.pk, "at": at})
        return {place: party for _, _, place, party, *_ in cursor.fetchall() if party}


TABLES = (IDENTITIES, CREDENTIALS, ENTITLEMENTS, OWNERS, ROLES, TEAMS, POLICIES)
