"""Telemetry of hosts and networks that travels beside identity logs: who looked up what, from where.

Owns the meaning of a few fields of CrowdStrike's Falcon Data Replicator, of AWS's VPC flow and DNS
logs, Cisco Umbrella and Cloudflare. They name hosts and addresses, hardly ever identities; they are
read so that they are not taken for another vendor's. Source: the vendors' field references. Pure.
"""

from evidence.formats.tables import Name, Said, Table
from evidence.vocabulary import OUTCOME_FAILED, OUTCOME_OK, OUTCOME_REFUSED

_NO_IDENTITY = {
    "credential": "hosts and addresses only",
    "session": "hosts and addresses only",
    "request_id": "records carry none",
}

CROWDSTRIKE = Table(
    name="crowdstrike",
    title="CrowdStrike Falcon Data Replicator",
    signs=(("event_simpleName",), ("p_log_type=Crowdstrike.FDREvent",)),
    mark=b'"event_simpleName"',
    realm="crowdstrike:{cid}",
    at=("ContextTimeStamp", "timestamp", "event.timestamp"),
    vendor_id="id",
    action="event_simpleName",
    principal=(
        Name("user", ("UserPrincipal", "event.UserPrincipal", "UserName", "event.UserName")),
        Name("service", ("aid", "event.aid")),
    ),
    resource=("DomainName", "event.DomainName", "ImageFileName", "event.ImageFileName"),
    address=("aip", "event.aip"),
    content=("CommandLine", "event.CommandLine"),
    lacks=_NO_IDENTITY,
)
DNS = Table(
    name="aws_vpc_dns",
    title="AWS VPC DNS queries",
    signs=(("query_name", "srcaddr"), ("p_log_type=AWS.VPCDns",)),
    mark=b'"query_name"',
    realm="aws:{account_id}",
    at="query_timestamp",
    action=(lambda _: "dns:Query",),
    principal=(Name("service", "srcids.instance"),),
    resource="query_name",
    outcome=Said("rcode", {"noerror": OUTCOME_OK}, otherwise=OUTCOME_FAILED),
    address="srcaddr",
    lacks=_NO_IDENTITY,
)
FLOW = Table(
    name="aws_vpc_flow",
    title="AWS VPC flow logs",
    signs=(("srcAddr", "dstAddr", "interfaceId"), ("p_log_type=AWS.VPCFlow",)),
    realm="aws:{account}",
    at=("start", "p_event_time"),
    action=(lambda _: "vpc:Flow",),
    principal=(Name("service", "instanceId"),),
    resource="dstAddr",
    outcome=Said("action", {"accept": OUTCOME_OK, "reject": OUTCOME_REFUSED}),
    address="srcAddr",
    lacks=_NO_IDENTITY,
)
UMBRELLA = Table(
    name="cisco_umbrella",
    title="Cisco Umbrella",
    signs=(("internalIp", "externalIp", "domain"), ("p_log_type=CiscoUmbrella.DNS",)),
    mark=b'"externalIp"',
    realm="umbrella",
    at="timestamp",
    action=(lambda _: "dns:Query",),
    principal=(Name("user", ("policyIdentity", "mostGranularIdentity")),),
    resource="domain",
    outcome=Said("action", {"allow": OUTCOME_OK, "allowed": OUTCOME_OK}, otherwise=OUTCOME_REFUSED),
    address=("externalIp", "internalIp"),
    lacks=_NO_IDENTITY,
)
CLOUDFLARE = Table(
    name="cloudflare",
    title="Cloudflare HTTP requests",
    signs=(
        ("RayID", "ClientIP"),
        ("p_log_type=Cloudflare.HttpRequest|Cloudflare.Firewall",),
    ),
    mark=b'"RayID"',
    realm="cloudflare:{ZoneName}",
    at=("EdgeStartTimestamp", "Datetime"),
    vendor_id="RayID",
    action=("ClientRequestMethod", "Action"),
    resource=("ClientRequestHost",),
    address="ClientIP",
    user_agent="ClientRequestUserAgent",
    request_id="RayID",
    lacks={"principal": "only addresses", "credential": "only addresses"},
)
TABLES = (CROWDSTRIKE, DNS, FLOW, UMBRELLA, CLOUDFLARE)
