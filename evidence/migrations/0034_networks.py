"""The network of an address: the /24 of IPv4, the /48 of IPv6; NULL where it is no address.

Logs also write names of services there (`cloudformation.amazonaws.com`), which are in no network.
The patterns come before the cast, which would fail on them; PostgreSQL 15 has no way to ask first.
"""

from django.db import migrations

_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = rf"({_OCTET}\.){{3}}{_OCTET}"
_GROUP = "[0-9a-f]{1,4}"
# Eight groups, or fewer with one "::" among them.
_IPV6 = "|".join(
    [
        f"({_GROUP}:){{7}}{_GROUP}",
        *(
            f"{_GROUP}(:{_GROUP}){{{before - 1}}}::({_GROUP}(:{_GROUP}){{0,{6 - before}}})?"
            for before in range(1, 7)
        ),
        f"{_GROUP}(:{_GROUP}){{6}}::",
        f"::({_GROUP}(:{_GROUP}){{0,6}})?",
    ]
)
NETWORK = f"""
CREATE FUNCTION evidence_network(address text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    SELECT CASE
        WHEN plain.value ~ '^{_IPV4}$'
            THEN network(set_masklen(plain.value::inet, 24))::text
        WHEN plain.value ~ '^({_IPV6})$'
            THEN network(set_masklen(plain.value::inet, 48))::text END
    -- IPv4 as sockets of IPv6 write it.
    FROM (SELECT regexp_replace(lower(address), '^::ffff:(?=[0-9]+[.])', '') AS value) plain
$$
"""  # noqa: S608 - our own words


class Migration(migrations.Migration):
    dependencies = [("evidence", "0033_pending_uploads")]

    operations = [migrations.RunSQL(NETWORK, "DROP FUNCTION evidence_network(text)")]
