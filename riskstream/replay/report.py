"""What a replay prints and writes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import click

from processors.replay.compare import CHANGES, Difference, compare
from processors.replay.labels import Label, Score, score
from processors.replay.outcome import AlertStory, by_rule_and_level
from processors.replay.run import Judged
from riskstream.output import show_rows
from riskstream.replay import output
from riskstream.replay.options import EVER_MS, Options, ms


def report(options: Options, done: list[Judged], labels: list[Label], note: str, seconds: float) -> None:

    # with --compare the other rules are the new ones, with --compare-unchanged the changed readings are
    shown = done[-1] if options.compare_unchanged else done[0]
    alerts = shown.stories()
    tables: dict[str, tuple[output.Rows, tuple[str, ...]]] = {
        "alerts": (output.alert_rows(alerts), output.ALERT_COLUMNS),
        "signals": (output.signal_rows(shown.outcome.signals), output.SIGNAL_COLUMNS),
        "summary": (output.summary_rows(alerts), output.SUMMARY_COLUMNS),
    }
    show = "alerts"
    marks = None
    if options.label:
        low, high = ms(options.report_since) or 0, ms(options.report_until) or EVER_MS
        asked = [label for label in labels if label.end >= low and label.start < high]
        marks = score(asked, alerts, shown.outcome.days)
        tables["events"] = (output.event_rows(marks), output.EVENT_COLUMNS)
        show = "events"
    differences: list[Difference] = []
    if len(done) > 1:
        differences = compare(done[0].stories(), done[1].stories())
        tables["comparison"] = (output.table_rows(differences, options.zone_level), output.TABLE_COLUMNS)
        tables["changes"] = (output.difference_rows(differences), output.DIFFERENCE_COLUMNS)
        show = "comparison"
    if (options.show or show) != "none":
        rows, columns = tables[options.show or show]
        show_rows(rows, columns, options.form)
    if options.out:
        try:
            options.out.mkdir(parents=True, exist_ok=True)
            for name, (rows, columns) in tables.items():
                output.write_rows(options.out / f"{name}.{options.out_format}", rows, columns)
        except OSError as error:
            raise click.ClickException(f"{error.filename}: {error.strerror}") from None
    for line in _summary(shown, alerts, differences, marks, note, seconds):
        click.echo(line, err=True)


def _summary(
    shown: Judged, alerts: list[AlertStory], differences: list[Difference], marks: Score | None, note: str,
    seconds: float,
) -> Iterator[str]:  # fmt: skip

    outcome = shown.outcome
    yield f"{outcome.readings:,} readings in {seconds:.1f} s ({outcome.readings / max(seconds, 1e-9):,.0f}/s)"
    left_out = {name: count for name, count in shown.counts.items() if count and name != "judged"}
    if left_out:
        yield "not judged: " + ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in left_out.items())
    if note:
        yield note
    yield f"{len(outcome.signals):,} signals, {len(alerts):,} alerts"
    for rule, counts in by_rule_and_level(alerts).items():
        yield f"  {rule}: " + ", ".join(f"{counts[word]} {word}" for word in counts)
    if differences:
        totals = {change: sum(change in one.changes for one in differences) for change in CHANGES}
        yield "compared: " + ", ".join(f"{count} {change}" for change, count in totals.items() if count)
    if marks:
        yield (
            f"events: {marks.detected} of {len(marks.detections)} detected, {marks.missed} missed; "
            f"{len(marks.false_alarms)} false alarms in {marks.days:.1f} days ({marks.false_alarms_a_day:.2f} a day)"
        )
        if marks.median_lead_ms is not None:
            yield f"median lead time: {_duration(marks.median_lead_ms)} before the event's end"


def _duration(ms: float) -> str:

    return str(timedelta(milliseconds=ms)).split(".")[0]
