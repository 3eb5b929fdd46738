"""Two questions for orchestrators: does the process answer, and can it do its work.

Says nothing about contents: both are open to anybody who reaches the port.
"""

from collections.abc import Callable

import redis
from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe


@require_safe
@never_cache
def healthz(_request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")


def database() -> str:
    """ "" when the database answers, else what to look at."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error as problem:
        return f"the database does not answer ({type(problem).__name__})"
    return ""


def migrations() -> str:
    """ "" when every migration is applied."""
    try:
        executor = MigrationExecutor(connection)
        missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    except Error as problem:
        return f"the database does not answer ({type(problem).__name__})"
    return f"{missing} migrations are not applied; run `manage.py migrate`" if missing else ""


def broker() -> str:
    """ "" when the broker answers within two seconds."""
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2) as client:
            client.ping()
    except (redis.RedisError, OSError) as problem:
        return f"the broker does not answer ({type(problem).__name__})"
    return ""


CHECKS: dict[str, Callable[[], str]] = {
    "database": database,
    "migrations": migrations,
    "broker": broker,
}


@require_safe
@never_cache
def readyz(_request: HttpRequest) -> JsonResponse:
    """200 when database, migrations and broker are fine, else 503 with what is not."""
    said = {name: check() for name, check in CHECKS.items()}
    return JsonResponse(
        {name: problem or "ok" for name, problem in said.items()},
        status=503 if any(said.values()) else 200,
    )
