"""Why a reading was rejected: the documented list, part of the public contract.

A reason is stored with the rejected bytes in `readings.rejected` and `rejected_readings`, returned to
HTTP clients and counted in metrics. Reasons are only ever added; a published one keeps its name and meaning.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """A reason and, in `doc`, the one line that explains it to whoever sent the reading."""

    doc: str

    def __new__(cls, value: str, doc: str) -> Reason:
        member = str.__new__(cls, value)
        member._value_ = value
        member.doc = doc
        return member

    # the payload as a whole, or one item of it
    UNREADABLE = (
        "unreadable",
        "not JSON, not UTF-8, a damaged gzip, a key twice, or not an object where one is due",
    )
    EMPTY = "empty", "the payload holds no reading at all"
    TOO_LARGE = "too_large", "the payload, or what it decompresses to, is over the limit"
    # where it was sent
    UNKNOWN_KIND = "unknown_kind", "no kind of that name is configured"
    TOPIC_MISMATCH = (
        "topic_mismatch",
        "the MQTT topic is not riskstream/v1/<kind>/<sensor_id>, or names another sensor than the payload",
    )
    # who sent it
    UNKNOWN_SENSOR = "unknown_sensor", "the sensor is not in the registry; it can be requeued once it is"
    WRONG_KIND = "wrong_kind", "the registry has this sensor under another kind"
    # what it says
    MISSING_FIELD = (
        "missing_field",
        "sensor_id, observed_at or a measured field that the kind requires is absent or null",
    )
    NOT_A_NUMBER = (
        "not_a_number",
        "a measured field is NaN, Infinity, text, true/false or otherwise no number",
    )
    OUT_OF_RANGE = (
        "out_of_range",
        "a value is outside what the instrument can produce (min and max of the kind)",
    )
    WRONG_UNIT = "wrong_unit", "SenML names a unit that is not, and cannot be converted to, the field's"
    WRONG_LENGTH = (
        "wrong_length",
        "a run of samples whose fields differ in length, or whose sample rate is unusable",
    )
    BAD_TIME = (
        "bad_time",
        "observed_at is neither RFC 3339 with offset nor epoch milliseconds, or lies before 1971",
    )
    IN_THE_FUTURE = "in_the_future", "observed_at is more than 60 s ahead of the time of receipt"
    # found behind the gateways
    POISON = "poison", "a stored record that a processor or a sink could not decode or apply"
