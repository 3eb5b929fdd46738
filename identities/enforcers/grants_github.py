"""Grants in one GitHub organisation: membership of a team.

Owns what a membership that is given means, and how it is read back. Must not know rows or people.
GitHub ends no membership by itself. Who was in the team before is not given it: its end would take
away what somebody else gave.

Source: docs.github.com, REST: Team members ("Get", "Add or update", "Remove team membership for a
user"; who is not in the organisation is invited, and `pending` until they accept).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from .contract import MissingRight, PermanentFailure, Residual, Seen, Sent, plain
from .github_server import SLUG, Gone, Organisation, Server
from .grants import Given, Kind, Minted

RIGHT = "Members (write)"
_LOGIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})(?:_[A-Za-z0-9]{1,38})?")
KINDS = {
    "team": Kind(
        "membership of a team",
        "the team's slug",
        needs={"user": "the login of whoever joins it"},
        ends_itself=False,
    )
}


class GitHubGranter:
    """Gives and takes in one organisation."""

    def __init__(self, org: Organisation, *, allow_private: bool) -> None:
        self._server = Server(org, allow_private)

    def why_not(self, given: Given) -> str:
        if SLUG.fullmatch(given.target.name) is None:
            return f"{plain(given.target.name)[:80]} is no slug of a team."
        if _LOGIN.fullmatch(given.target.extra.get("user", "")) is None:
            return "user is no login of GitHub's."
        return ""

    def grant(self, given: Given, *, now: datetime) -> Sent:  # noqa: ARG002 -- the contract gives every step the moment
        if self._membership(given):
            raise PermanentFailure(
                f"{given.target.extra['user']} is in {given.target.name} already: its end would take"
                " away what somebody else gave.",
                who_must_act="whoever asked for it",
            )
        path = self._path(given)
        try:
            answer = self._server.ask(
                "PUT", path, right=RIGHT, key=given.key, json={"role": "member"}
            )
        except Gone:
            raise PermanentFailure(
                f"GitHub shows no team {given.target.name} in {self._server.org.owner}.",
                who_must_act=self._server.org.administrator,
            ) from None
        reference = plain(answer.headers.get("X-GitHub-Request-Id", ""))
        return Sent(reference, f"{given.target.extra['user']} is in {given.target.name}.")

    def granted(self, given: Given, *, now: datetime) -> Seen:
        state = str(self._membership(given).get("state", ""))
        who, team = given.target.extra["user"], given.target.name
        if state == "active":
            return Seen("active", f"{who} is in {team}.", now)
        if state:
            return Seen("unknown", f"{who} is invited to {team} and has not accepted.", now)
        return Seen("gone", f"{who} is not in {team}.", now)

    def end(self, given: Given, *, now: datetime) -> Sent:  # noqa: ARG002 -- the contract gives every step the moment
        reference = self._server.change("DELETE", self._path(given), right=RIGHT, key=given.key)
        return Sent(reference, f"{given.target.extra['user']} is taken out of {given.target.name}.")

    def ended(self, given: Given, *, now: datetime) -> Seen:
        who, team = given.target.extra["user"], given.target.name
        if self._membership(given):
            return Seen("active", f"{who} is still in {team}.", now)
        # Also what may not be seen is not found: the team itself has to be.
        try:
            self._server.ask("GET", f"/orgs/{self._server.org.owner}/teams/{team}", right=RIGHT)
        except Gone:
            return Seen("unknown", f"GitHub shows Countersign no team {team}.", now)
        return Seen("gone", f"{who} is not in {team}.", now)

    def residual(self, given: Given, *, since: datetime, now: datetime) -> Sequence[Residual]:  # noqa: ARG002 -- the contract gives every step the moment
        return []

    def mint(self, given: Given, *, person: str, now: datetime) -> Minted:  # noqa: ARG002 -- the contract gives every step the moment
        raise PermanentFailure(
            "Of a team nothing is handed out: its members sign in as ever.",
            who_must_act="whoever asked for it",
        )

    def own_rights(self, given: Sequence[Given]) -> list[MissingRight]:
        """What its installation was given, and the teams that it does not see."""
        org, found = self._server.org, list[MissingRight]()
        if not given:
            return found
        self._server.sign_in()
        if self._server.permissions.get("members") != "write":
            sentence = (
                "Countersign's App lacks the permission members (write): add it in the App's"
                f" settings, and have {org.administrator} accept the change."
            )
            return [MissingRight("members", org.owner, sentence)]
        for team in sorted({one.target.name for one in given}):
            try:
                self._server.ask("GET", f"/orgs/{org.owner}/teams/{team}", right=RIGHT)
            except Gone:
                sentence = f"GitHub shows Countersign no team {team} in {org.owner}."
                found.append(MissingRight("give membership", team, sentence))
        return found

    def _path(self, given: Given) -> str:
        owner, team = self._server.org.owner, given.target.name
        return f"/orgs/{owner}/teams/{team}/memberships/{given.target.extra['user']}"

    def _membership(self, given: Given) -> dict[str, Any]:
        try:
            answer = self._server.ask("GET", self._path(given), right=RIGHT)
        except Gone:
            return {}
        return self._server.web.document(answer)
