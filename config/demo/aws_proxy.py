"""A loopback proxy before moto that refuses what AWS would refuse.

moto enforces neither inactive keys nor conditions on time, and reads a failing condition as a
denial. This proxy judges each signed request by AWS's documented rules and passes it on; it
learns sessions from the AssumeRole answers that pass. It also counts calls and can misbehave on
request: throttle, lie, lose an answer, spread changes late.

Owns the HTTP of it and the order of refusals; the rules are in `aws_judge`.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from identities.enforcers.aws_clients import Clients, Credentials

from .aws_account import Account, Principal, Session, as_document
from .aws_faults import Book, Call, Fault
from .aws_judge import UnknownCondition, Verdict, judge
from .aws_requests import Answer, Asked, asked, numbered, refusal, success
from .aws_upstream import Upstream

LARGEST_BODY = 16 * 1024 * 1024
READS = ("Get", "List", "Simulate", "Generate")


class Proxy:
    """The proxy as a thread of this process; `url` is the endpoint to give to clients."""

    def __init__(
        self,
        upstream: tuple[str, int],
        *,
        administrator: Credentials,
        account: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._upstream = Upstream(upstream, administrator)
        self._clock = clock
        self._book = Book()
        self._lock = threading.Lock()
        self.account = Account(
            Clients(
                credentials=administrator,
                endpoint=f"http://{upstream[0]}:{upstream[1]}",
                allow_private=True,
            ),
            number=account,
        )
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def end(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    # What tests and the demo may ask of it

    def now(self) -> datetime:
        return self._clock() + self._book.ahead

    def pass_time(self, by: timedelta) -> None:
        """Move this account's clock on: sessions age, times of conditions pass."""
        self._book.ahead += by

    def spread_late(self, lag: timedelta) -> None:
        """From now on a change is shown at once and judged by only after this time."""
        self._book.lag = lag

    def throttle(self, action: str = "*", *, times: int, retry_after: int = 0) -> None:
        self._book.faults.append(Fault("throttle", action, times, retry_after))

    def lie(self, action: str, *, times: int = 1_000_000) -> None:
        """Answer success without passing the call on."""
        self._book.faults.append(Fault("lie", action, times))

    def lose(self, action: str, *, times: int) -> None:
        """Pass the call on and hang up before answering."""
        self._book.faults.append(Fault("lose", action, times))

    def behave(self) -> None:
        """Forget faults, counts and lag, and turn the clock back."""
        with self._lock:
            self._book = Book()
        self.account.settle()

    def calls(self, action: str = "", *, access_key_id: str = "") -> list[Call]:
        """The calls so far, in order, with this action and key where given."""
        with self._lock:
            return [
                call
                for call in self._book.calls
                if call.action == (action or call.action)
                and call.access_key_id == (access_key_id or call.access_key_id)
            ]

    # One request

    def answer(
        self, method: str, target: str, headers: list[tuple[str, str]], body: bytes
    ) -> Answer | None:
        """The answer to a request; None is to hang up."""
        names = {name.lower(): value for name, value in headers}
        request = asked(method, target, names, body)
        fault = self._fault(request)
        passed_on, answer = False, self._refused(request, fault)
        if answer is None:
            answer = self._own_answer(request)
        if answer is None:
            passed_on, answer = True, self._passed(method, target, headers, body, request)
        with self._lock:
            self._book.calls.append(
                Call(
                    action=request.action,
                    access_key_id=request.access_key_id,
                    user_agent=names.get("user-agent", ""),
                    status=answer.status,
                    passed_on=passed_on,
                )
            )
        return None if fault is not None and fault.kind == "lose" and passed_on else answer

    def _fault(self, request: Asked) -> Fault | None:
        with self._lock:
            for fault in self._book.faults:
                if fault.times > 0 and fault.action in ("*", request.action):
                    fault.times -= 1
                    return fault
        return None

    def _refused(self, request: Asked, fault: Fault | None) -> Answer | None:
        """The first reason not to pass the request on, in AWS's order: key, then policies."""
        if request.path.startswith("/moto-api"):
            # Nobody who reaches the endpoint may switch its authorisation off.
            return Answer(404, (("Content-Type", "text/plain"),), b"not found")
        if fault is not None and fault.kind == "throttle":
            wait = (("Retry-After", str(fault.retry_after)),) if fault.retry_after else ()
            return refusal(request, why="throttled", headers=wait)
        session = self.account.session(request.access_key_id)
        snapshot = self.account.judged(self.now())
        owner, status = snapshot.keys.get(request.access_key_id, ("", "Active"))
        if status != "Active":
            return refusal(request, why="inactive")
        if session is not None and self.now() >= session.expires_at:
            return refusal(request, why="expired")
        try:
            refused = self._denied(
                request, session, snapshot.principals.get(session.role if session else owner)
            )
        except UnknownCondition as unknown:
            message = f"This account cannot evaluate the condition operator {unknown}."
            return refusal(request, why="unknown", message=message)
        if refused is not None:
            return refused
        if fault is not None and fault.kind == "lie":
            return success(request)
        return None

    def _denied(
        self, request: Asked, session: Session | None, principal: Principal | None
    ) -> Answer | None:
        # Who is not known here is left to moto, which refuses keys it has not given out.
        # GetCallerIdentity needs no permission, and no policy can take it away.
        if principal is None or request.action in ("", "sts:GetCallerIdentity"):
            return None
        resource = self._resource(request, principal)
        verdict = self._verdict(principal, session, action=request.action, resource=resource)
        if verdict == "allowed":
            return None
        arn = session.arn if session else principal.arn
        because = (
            "with an explicit deny in an identity-based policy"
            if verdict == "explicitDeny"
            else f"because no identity-based policy allows the {request.action} action"
        )
        return refusal(
            request,
            why="denied",
            message=f"User: {arn} is not authorized to perform: {request.action} "
            f"on resource: {resource} {because}",
        )

    def _verdict(
        self, principal: Principal, session: Session | None, *, action: str, resource: str
    ) -> Verdict:
        """Every layer must allow: the principal's policies, its boundary, the session's policy."""
        context = {
            "aws:CurrentTime": self.now().isoformat(),
            "aws:EpochTime": str(int(self.now().timestamp())),
            "aws:PrincipalArn": principal.arn,
            "aws:PrincipalAccount": self.account.number,
            "aws:SourceIp": "127.0.0.1",
            "aws:SecureTransport": "false",
        }
        if session is not None:
            # AWS: present only in requests made with temporary credentials.
            context["aws:TokenIssueTime"] = session.issued_at.isoformat()
            context["aws:userid"] = f"{principal.unique}:{session.name}"
        else:
            context["aws:username"] = principal.name
            context["aws:userid"] = principal.unique
        layers: list[tuple[dict[str, Any], ...]] = [principal.documents]
        if principal.boundary is not None:
            layers.append((principal.boundary,))
        if session is not None and session.policy is not None:
            layers.append((session.policy,))
        verdicts = [
            judge(layer, action=action, resource=resource, context=context) for layer in layers
        ]
        for verdict in ("explicitDeny", "implicitDeny"):
            if verdict in verdicts:
                return verdict
        return "allowed"

    def _resource(self, request: Asked, principal: Principal) -> str:
        """The ARN a request is about, `*` for what is about no one thing."""
        found = request.parameters
        if request.service == "s3":
            place = "/".join(part for part in (request.bucket, request.object_key) if part)
            return f"arn:aws:s3:::{place}" if place else "*"
        if request.service == "sts":
            return found.get("RoleArn", "*")
        if request.service == "secretsmanager":
            name = found.get("SecretId", "")
            return self.account.secret_arn(name) if name else "*"
        if request.service != "iam":
            return "*"
        if "PolicySourceArn" in found or ("PolicyArn" in found and "UserName" not in found):
            return found.get("PolicySourceArn") or found.get("PolicyArn", "*")
        for kind in ("User", "Role", "Group"):
            if name := found.get(f"{kind}Name", ""):
                return self._arn(kind.lower(), name)
        if key := found.get("AccessKeyId", ""):
            return self.account.snapshot().keys.get(key, ("*", ""))[0]
        own = request.action in ("iam:GetUser", "iam:ListAccessKeys", "iam:CreateAccessKey")
        return principal.arn if own else "*"

    def _arn(self, kind: str, name: str) -> str:
        for principal in self.account.snapshot().principals.values():
            if principal.kind == kind and principal.name == name:
                return principal.arn  # with its path
        return f"arn:aws:iam::{self.account.number}:{kind}/{name}"

    # What moto does not do

    def _own_answer(self, request: Asked) -> Answer | None:
        if request.action == "iam:ListServiceSpecificCredentials":
            # moto has none, and no such call.
            return success(request, "<ServiceSpecificCredentials/>")
        if request.action != "iam:SimulatePrincipalPolicy":
            return None
        source = self.account.snapshot().principals.get(request.parameters["PolicySourceArn"])
        if source is None:
            return None
        results = "".join(
            f"<member><EvalActionName>{action}</EvalActionName>"
            f"<EvalResourceName>{resource}</EvalResourceName>"
            f"<EvalDecision>{self._verdict(source, None, action=action, resource=resource)}"
            "</EvalDecision><MatchedStatements/><MissingContextValues/></member>"
            for action in numbered(request.parameters, "ActionNames")
            for resource in numbered(request.parameters, "ResourceArns") or ["*"]
            if re.fullmatch(r"[\w:*-]+", action) and re.fullmatch(r"[\w:/*+=,.@-]+", resource)
        )
        return success(
            request,
            f"<IsTruncated>false</IsTruncated><EvaluationResults>{results}</EvaluationResults>",
        )

    # Passing on

    def _passed(
        self,
        method: str,
        target: str,
        headers: list[tuple[str, str]],
        body: bytes,
        request: Asked,
    ) -> Answer:
        writes = request.service == "iam" and not request.action.startswith(
            tuple(f"iam:{verb}" for verb in READS)
        )
        if writes and self._book.lag:
            self.account.changed(until=self.now() + self._book.lag)
        answer = self._upstream.ask(method, target, headers, body)
        if answer.status in (400, 403) and self._judges_narrower(request, answer):
            answer = self._upstream.ask_as_administrator(method, target, headers, body)
        if writes:
            self.account.changed(until=None)
        if request.action == "sts:AssumeRole" and answer.status == 200:
            self._learn(request, answer.body)
        return answer

    def _judges_narrower(self, request: Asked, answer: Answer) -> bool:
        """Whether moto denied what the rules allow: it matches no resource outside S3 and takes
        a condition that does not hold as a denial. Who may assume a role, it judges rightly, and
        what is about the caller itself must be asked as the caller."""
        return (
            b"AccessDenied" in answer.body
            and request.service != "sts"
            and (
                request.service != "iam"
                or any(f"{kind}Name" in request.parameters for kind in ("User", "Role", "Group"))
                or "AccessKeyId" in request.parameters
                or "PolicyArn" in request.parameters
            )
            and (
                request.access_key_id in self.account.snapshot().keys
                or self.account.session(request.access_key_id) is not None
            )
        )

    def _learn(self, request: Asked, body: bytes) -> None:
        """Remember a session from the answer that gives its credentials out."""
        text = body.decode("utf-8", "replace")
        key = re.search(r"<AccessKeyId>([^<]+)</AccessKeyId>", text)
        arn = re.search(r"<Arn>([^<]+)</Arn>", text)
        if key is None or arn is None:
            return
        issued_at = self.now().replace(microsecond=0)
        policy = request.parameters.get("Policy")
        self.account.remember(
            key.group(1),
            Session(
                role=request.parameters["RoleArn"],
                name=request.parameters.get("RoleSessionName", ""),
                arn=arn.group(1),
                issued_at=issued_at,
                expires_at=issued_at
                + timedelta(seconds=int(request.parameters.get("DurationSeconds", "3600"))),
                policy=as_document(policy) if policy else None,
            ),
        )


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def _any(self) -> None:
            body = self._body()
            if body is None:
                self.send_error(413)
                self.close_connection = True
                return
            answer = proxy.answer(self.command, self.path, list(self.headers.items()), body)
            if answer is None:
                self.close_connection = True
                return
            self.send_response_only(answer.status)
            names = {name.lower() for name, _ in answer.headers}
            for name, value in answer.headers:
                # HEAD answers carry the length of what GET would have sent.
                if name.lower() != "content-length" or self.command == "HEAD":
                    self.send_header(name, value)
            if self.command != "HEAD" or "content-length" not in names:
                self.send_header("Content-Length", str(len(answer.body)))
            if "date" not in names:
                self.send_header("Date", self.date_time_string())
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        def _body(self) -> bytes | None:
            if "chunked" in self.headers.get("Transfer-Encoding", ""):
                return self._chunks()
            length = int(self.headers.get("Content-Length") or 0)
            return self.rfile.read(length) if length <= LARGEST_BODY else None

        def _chunks(self) -> bytes | None:
            found = bytearray()
            while size := int(self.rfile.readline(1024).split(b";")[0], 16):
                if len(found) + size > LARGEST_BODY:
                    return None
                found += self.rfile.read(size)
                self.rfile.readline(1024)
            while self.rfile.readline(1024).strip():
                pass
            return bytes(found)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = _any

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- named by the method it replaces
            """Calls are counted, not printed."""

    return Handler
