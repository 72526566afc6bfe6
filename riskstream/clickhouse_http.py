"""ClickHouse over HTTP, for people: it formats results itself, and a wrong password is told in words."""

from __future__ import annotations

import http.client
import re
from dataclasses import dataclass
from urllib.parse import urlencode

from runtime.settings import Settings

# "Code: 60. DB::Exception: text. (NAME) (version …)"
_ERROR = re.compile(r"Code: (\d+)\. DB::Exception: (.*?)\s*\((\w+)\)(?: \(version .*\))?\s*$", re.DOTALL)
_TIMEOUT_S = 3600


class QueryError(Exception):
    """ClickHouse refused the query or cannot be reached; the message is one for people."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What ClickHouse answered: `form` is the format that the text is in."""

    text: str
    form: str


def ask(settings: Settings, sql: str, form: str, *, write: bool = False) -> Answer:
    """Run one query. Its result comes in `form` (a ClickHouse format) unless the query has a FORMAT of its own.

    Without `write` the server refuses whatever changes data. Raises `QueryError`.
    """
    parameters = {
        "database": settings.clickhouse_database,
        "default_format": form,
        # the status is known only when all is computed: no error in the middle of a result
        "wait_end_of_query": "1",
        "output_format_json_quote_64bit_integers": "0",
    }
    if not write:
        parameters["readonly"] = "2"
    headers = {
        "X-ClickHouse-User": settings.clickhouse_user,
        "X-ClickHouse-Key": settings.clickhouse_password.get_secret_value(),
    }
    where = f"ClickHouse at {settings.clickhouse_host}:{settings.clickhouse_http_port}"
    connection = http.client.HTTPConnection(settings.clickhouse_host, settings.clickhouse_http_port, timeout=_TIMEOUT_S)
    try:
        connection.request("POST", f"/?{urlencode(parameters)}", sql.encode(), headers)
        response = connection.getresponse()
        text = response.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        raise QueryError(
            f"{where} is not reachable: {error} (riskstream up starts it, riskstream status shows it)"
        ) from error
    finally:
        connection.close()
    if response.status != 200:
        raise QueryError(explain(text) if text.strip() else f"{where} answered {response.status}")
    return Answer(text, response.getheader("X-ClickHouse-Format") or form)


def explain(text: str) -> str:
    """ClickHouse's error in short: what and its name, without stack, version and list of all keywords."""
    match = _ERROR.search(text.strip())
    if not match:
        return text.strip()
    code, words, name = match[1], " ".join(match[2].split()).rstrip("."), match[3]
    if name == "READONLY":
        return "this would change data; riskstream sql only reads unless --write is given"
    words = words.split(" Expected one of:")[0].rstrip(".")
    return f"{words} ({name}, {code})"
