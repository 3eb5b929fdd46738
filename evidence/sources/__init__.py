"""Everything that is asked for evidence: one module a system, read-only.

Owns the list. To add one, write its module beside these and name it here. What asks over HTTP may
be told whose word for certificates counts; a cluster has that among its own settings, and a
directory asks nobody.
"""

from evidence.sources import (
    alerts,
    cloudtrail_lookup,
    directory,
    elastic,
    gcp,
    github,
    graph,
    kubernetes,
    langfuse,
    mlflow,
    okta,
    phoenix,
    s3,
    s3_queue,
    sentinel,
    signals,
    splunk,
)
from evidence.sources.contract import CA_FILE, Connector

CONNECTORS: dict[str, Connector] = {
    one.name: one
    if one in (directory.CONNECTOR, kubernetes.CONNECTOR)
    else one._replace(fields=(*one.fields, CA_FILE))
    for one in (
        okta.CONNECTOR,
        graph.CONNECTOR,
        github.CONNECTOR,
        gcp.CONNECTOR,
        s3.CONNECTOR,
        s3_queue.CONNECTOR,
        cloudtrail_lookup.CONNECTOR,
        directory.CONNECTOR,
        kubernetes.CONNECTOR,
        langfuse.CONNECTOR,
        phoenix.CONNECTOR,
        mlflow.CONNECTOR,
        splunk.CONNECTOR,
        sentinel.CONNECTOR,
        elastic.CONNECTOR,
        signals.CONNECTOR,
        alerts.CONNECTOR,
    )
}
