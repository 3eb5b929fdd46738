"""Who let it, who answers for it, what it did: what reviews/pages/chain.py lays out.

Two lines meet at the credential: authority above (grantor, AI-system owner, agent), issuance
below (issuer, identity owner). An unknown caller is a node of its own, never the agent.
"""

from typing import Any
from urllib.parse import urlencode
from zlib import crc32

from reviews.pages.answers import short
from reviews.pages.dossier import Dossier

MOST_GRANTORS, MOST_AGENTS, MOST_KEYS, MOST_ACTIONS = 3, 3, 4, 24

type Node = dict[str, Any]


class Lineage:
    """Nodes by column, and the edges between them."""

    def __init__(self, d: Dossier, runs: list[dict[str, Any]]) -> None:
        self.d = d
        self.runs = runs
        self.edges: list[Node] = []
        self.owners = self._owners()
        self.agents = self._agents()
        self.credentials = self._credentials()
        self.main = (self.credentials or self.agents)[0]["id"]
        self.grantors: list[Node] = []
        self._authority()
        self._issuance()
        self._stranger()
        self.actions = self._actions()

    def edge(self, begins: str, ends: str, kind: str = "inside", words: str = "") -> None:
        self.edges.append({"from": begins, "to": ends, "kind": kind, "words": words})

    def _owners(self) -> list[Node]:
        service = self.d.identity.service
        owners = []
        if service is not None and service.ai_system and service.ai_owner is not None:
            # Who answered for a service is not kept as it was.
            said = "AI-system owner" if self.d.live else "AI-system owner today"
            owners.append(_node("o-ai", str(service.ai_owner), said, side="ai"))
        if owner := self.d.owners.get("owner"):
            owners.append(_node("o-id", owner, "identity owner", side="identity"))
        return owners

    def _agents(self) -> list[Node]:
        one = self.d.identity
        runs = f"{len(self.runs)} {'run' if len(self.runs) == 1 else 'runs'}"
        note = f"{one.service.name} · {runs}" if one.service else runs
        url = self.runs[0]["url"] if self.runs else ""
        named = [
            _node(f"a{bound.actor_id}", bound.actor.value, note, url, unknown=False)
            for bound in self.d.bindings
            if bound.actor.kind in ("agent", "agent_id") and bound.state == "confirmed"
        ]
        return named[:MOST_AGENTS] or [
            _node("a0", one.name, one.kind.replace("_", " "), unknown=False)
        ]

    def _credentials(self) -> list[Node]:
        found = []
        for key in self.d.credentials[:MOST_KEYS]:
            age = f"{(self.d.at - key.issued_at).days} d" if key.issued_at else "age not known"
            life = "standing" if key.standing else "short-lived"
            found.append(
                _node(
                    f"c{key.actor_id}",
                    key.short,
                    f"{life} · {age} · {key.state}",
                    f"/credentials/{key.key}/",
                    state="inside",
                )
            )
        return found

    def _authority(self) -> None:
        for row in self.d.delegations[:MOST_GRANTORS]:
            by = self.d.signed[row.pk]
            if not by.names and row.delegation.grantor is None:
                continue
            number = f"g{crc32(by.words.encode())}"
            if self._grantor(number, by.words, f"granted {row.delegation.key}"):
                self.edge(number, (self.owners or self.agents)[0]["id"])
        if self.owners:
            self.edge(self.owners[0]["id"], self.agents[0]["id"])
        if self.credentials:
            for node in self.agents:
                self.edge(node["id"], self.main)

    def _grantor(self, number: str, name: str, note: str) -> bool:
        if any(node["id"] == number for node in self.grantors):
            return False
        self.grantors.append(_node(number, name, note))
        return True

    def _issuance(self) -> None:
        own = {bound.actor_id for bound in self.d.bindings}
        for key in self.d.credentials[:2]:
            if key.issued_by is None:
                continue
            place = f"c{key.actor_id}"
            if key.issued_by_id in own and place != self.main:
                self.edge(self.main, place, "outside", "minted itself")
                continue
            number = f"i{key.issued_by_id}"
            self._grantor(number, short(key.issued_by.value), "issued the key")
            if "owner" not in self.d.owners:
                self.edge(number, place)
                continue
            self.edge(number, "o-id")
            words = f"issued {key.issued_at.day} {key.issued_at:%b}" if key.issued_at else ""
            self.edge("o-id", place, words=words)

    def _stranger(self) -> None:
        if not self.d.no_run:
            return
        where = next(
            (f.details.get("address", "") for f in self.d.findings if f.rule == "no_run"), ""
        )
        self.agents.append(
            _node("unknown", "Nobody known", f"{where} · no run behind it", unknown=True)
        )
        self.edge("unknown", self.main, "no_run")

    def _actions(self) -> list[Node]:
        key = self.d.identity.key
        found = []
        for number, used in enumerate(self.d.permissions[:MOST_ACTIONS]):
            verdict = "outside" if used.outside else "inside" if used.inside else "unknown"
            found.append(
                _node(
                    f"x{number}",
                    f"{used.action.partition(':')[2] or used.action} {used.family}",
                    "",
                    "/events/?" + urlencode({"identity": key, "action": used.action}),
                    n=used.outside or used.calls,
                    verdict=verdict,
                )
            )
            self.edge(self.main, f"x{number}", "outside" if verdict == "outside" else "inside")
        if self.d.no_run:
            found.append(
                _node(
                    "xn",
                    "calls with no run behind them",
                    "",
                    "/findings/?" + urlencode({"identity": key, "rule": "no_run"}),
                    n=self.d.no_run,
                    verdict="no_run",
                )
            )
            self.edge(self.main, "xn", "no_run")
        return found


def _node(number: str, name: str, note: str, url: str = "", **more: Any) -> Node:
    return {"id": number, "name": name, "note": note, "url": url, **more}


def of(d: Dossier, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The chain of one identity, as reviews/pages/chain.py takes it."""
    line = Lineage(d, runs)
    return {
        "grantors": line.grantors,
        "owners": line.owners,
        "agents": line.agents,
        "credentials": line.credentials,
        "actions": line.actions,
        "edges": line.edges,
        "actions_url": "/events/?" + urlencode({"identity": d.identity.key}),
    }
