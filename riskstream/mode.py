"""`riskstream mode set|list|end`: the modes of zones."""

from __future__ import annotations

import getpass
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from riskstream.output import form_option, show_rows
from riskstream.servers import needs

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.settings import Settings
    from schemas.rule_versions import Modes, ZoneMode

    Change = Callable[[list[ZoneMode]], list[ZoneMode]]

_FROM_NOW = re.compile(r"^(\d+(?:\.\d+)?)\s*(m|min|h|d)$")
_MINUTES = {"m": 1, "min": 1, "h": 60, "d": 1440}
_ZONE = re.compile(r"^[^/\s][^/]*(/[^/]+){0,4}$")


class Until(click.ParamType):
    """`90m`, `12h`, `2d` from now, or RFC 3339; without an offset it is UTC. Gives a datetime in UTC, in the future."""

    name = "TIME"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        text = str(value).strip()
        if match := _FROM_NOW.match(text):
            return datetime.now(UTC) + timedelta(minutes=float(match[1]) * _MINUTES[match[2]])
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            self.fail(
                f"{text!r} is neither a time such as 2026-07-01T12:00:00Z nor 90m, 12h or 2d from now", param, ctx
            )
        time = (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
        if time <= datetime.now(UTC):
            self.fail(f"{text} has passed", param, ctx)
        return time


@click.group()
def mode() -> None:
    """Modes of zones: schedules of rules may differ in an emergency.

    \b
    Examples:
      riskstream mode set emergency --zone city/north --until 12h --reason "flood warning"
      riskstream mode list
      riskstream mode end --zone city/north
    """


@mode.command("set")
@click.argument("name", metavar="MODE", type=click.Choice(["emergency", "peace"]))
@click.option("--zone", required=True, help="The zone and all below it: city, or city/district/street.")
@click.option("--until", required=True, type=Until(), help="It ends by itself then: 12h, 2026-07-01T12:00:00Z.")
@click.option("--reason", default="", help="Why; kept with the version.")
@click.option("--author", default=None, help="Who sets it; the login name by default.")
@needs("kafka")
def set_(name: str, zone: str, until: datetime, reason: str, author: str | None) -> None:
    """Put a zone into emergency (or back to peace, inside a zone that is in emergency) until a time.

    The nearest zone that is named decides. What was set for the same zone before is replaced.

    \b
    Examples:
      riskstream mode set emergency --zone city/north --until 12h --reason "flood warning"
      riskstream mode set peace --zone city/north/hill --until 2026-07-01T12:00:00Z
    """
    from schemas.rule_versions import ZoneMode

    if not _ZONE.match(zone):
        raise click.BadParameter("a zone is city, city/district, … (up to five levels)", param_hint="--zone")
    declared = ZoneMode(zone, name, round(until.timestamp() * 1000))
    published = _publish(author, reason, lambda zones: [*(one for one in zones if one.zone != zone), declared])
    click.echo(f"version {published.version}: {zone} is in {name} until {until.isoformat(timespec='seconds')}")


@mode.command()
@click.option("--zone", required=True, help="As it was set.")
@click.option("--reason", default="", help="Why; kept with the version.")
@click.option("--author", default=None, help="Who ends it; the login name by default.")
@needs("kafka")
def end(zone: str, reason: str, author: str | None) -> None:
    """End what was set for a zone, before its time.

    \b
    Examples:
      riskstream mode end --zone city/north --reason "warning lifted"
    """

    def without(zones: list[ZoneMode]) -> list[ZoneMode]:
        if all(one.zone != zone for one in zones):
            known = ", ".join(one.zone for one in zones) or "none"
            raise click.ClickException(f"no mode is set for {zone}; zones: {known}")
        return [one for one in zones if one.zone != zone]

    published = _publish(author, reason, without)
    click.echo(f"version {published.version}: what was set for {zone} has ended")


@mode.command("list")
@click.option("--all", "every", is_flag=True, help="Every version, who set it and why, not only what holds now.")
@form_option
@needs("kafka")
def list_(every: bool, form: str | None) -> None:
    """List the modes that hold now; zones that are not named are in peace.

    \b
    Examples:
      riskstream mode list
      riskstream mode list --all --format json
    """
    from riskstream.version_log import VersionLogError, read_versions
    from schemas.rule_versions import MODES_TOPIC, Modes

    try:
        versions = read_versions(_settings(), MODES_TOPIC, Modes)
    except VersionLogError as error:
        raise click.ClickException(str(error)) from error
    now = datetime.now(UTC)
    rows = [_row(version if every else next(v for v in versions if one in v.zones), one)
            for version in (versions if every else versions[-1:])
            for one in version.zones
            if every or _time(one.until) > now]  # fmt: skip
    if not rows and sys.stdout.isatty():
        click.echo("peace everywhere")
        return
    columns = ["zone", "mode", "until", "author", "reason", "applied_at"]
    show_rows(rows, ["version", *columns] if every else columns, form)


def _publish(author: str | None, reason: str, change: Change) -> Modes:
    from riskstream.version_log import VersionLogError, next_version, publish_version
    from schemas.rule_versions import MODES_TOPIC, Modes

    settings = _settings()
    now = round(datetime.now(UTC).timestamp() * 1000)

    def plan(versions: list[Modes]) -> Modes:
        zones = [one for one in (versions[-1].zones if versions else ()) if one.until > now]
        return Modes(next_version(versions), author or getpass.getuser(), reason, now, tuple(change(zones)))

    try:
        published = publish_version(settings, MODES_TOPIC, Modes, plan)
    except VersionLogError as error:
        raise click.ClickException(f"{error}; nothing was changed") from error
    assert published is not None, "plan always gives one"  # noqa: S101
    return published


def _row(version: Modes, one: ZoneMode) -> dict[str, object]:
    return {
        "version": version.version, "zone": one.zone, "mode": one.mode, "until": _time(one.until),
        "author": version.author, "reason": version.reason, "applied_at": _time(version.applied_at),
    }  # fmt: skip


def _settings() -> Settings:
    from runtime.settings import SettingsError, load_settings

    try:
        return load_settings()
    except SettingsError as error:
        raise click.UsageError(str(error)) from error


def _time(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, UTC)
