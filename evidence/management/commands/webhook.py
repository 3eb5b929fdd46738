"""manage.py webhook: what an administrator types into GitHub or a cluster so that it sends here."""

import json
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from evidence import actions
from evidence.management.commands.source import named
from evidence.models import Source
from evidence.permissions import COMMAND, NotPossible


class Command(BaseCommand):
    help = "Address and secret for a system that sends by itself: github, kubernetes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="SYSTEM")
        github = verbs.add_parser("github", help="payload URL and secret of a webhook")
        github.add_argument("name", help="the source")
        cluster = verbs.add_parser(
            "kubernetes", help="the kubeconfig for --audit-webhook-config-file"
        )
        cluster.add_argument("name", help="the source")
        cluster.add_argument("--cluster", required=True, help="what its events are of")
        cluster.add_argument(
            "--token-file",
            default="/etc/kubernetes/countersign-token",
            metavar="PATH",
            help="where the source's token lies on the control plane",
        )
        for one in verbs.choices.values():
            one.add_argument("--json", action="store_true", help="one JSON document on stdout")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            source = named(options["name"])
        except NotPossible as problem:
            raise CommandError(str(problem)) from None
        document, words = getattr(self, f"_{options['verb']}")(source, options)
        self.stdout.write(json.dumps(document, indent=2) if options["json"] else words)

    def _github(self, source: Source, _options: dict[str, Any]) -> tuple[dict[str, str], str]:
        try:
            secret = actions.show_webhook_secret(source=source, by=COMMAND, now=timezone.now())
        except NotPossible as problem:
            raise CommandError(str(problem)) from None
        url = f"{settings.BASE_URL}/api/evidence/{source.name}/github/"
        words = (
            f"Payload URL   {url}\nContent type  application/json\nSecret        {secret}\n"
            "The secret ends with the source's token."
        )
        return {"url": url, "content_type": "application/json", "secret": secret}, words

    def _kubernetes(self, source: Source, options: dict[str, Any]) -> tuple[dict[str, Any], str]:
        server = f"{settings.BASE_URL}/api/evidence/{source.name}/kubernetes/{options['cluster']}"
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "countersign", "cluster": {"server": server}}],
            "users": [{"name": source.name, "user": {"tokenFile": options["token_file"]}}],
            "contexts": [
                {"name": "audit", "context": {"cluster": "countersign", "user": source.name}}
            ],
            "current-context": "audit",
        }
        # A kubeconfig may be JSON, which is YAML.
        return document, json.dumps(document, indent=2)
