import pytest

from ingest.mqtt_topics import TopicCache, TopicError, read_topic


def test_a_topic_of_readings() -> None:
    cache = TopicCache()
    for _ in range(2):
        assert cache.read("riskstream/v1/rainfall/水-1") == ("rainfall", "水-1")


@pytest.mark.parametrize(
    "topic",
    ["", "riskstream", "riskstream/v1/rainfall", "riskstream/v1/rainfall/", "riskstream/v1//a", "riskstream/v2/rainfall/a",
     "riskstream/v1/rainfall/a/b", "other/v1/rainfall/a", "/riskstream/v1/rainfall/a"],
)  # fmt: skip
def test_a_topic_that_does_not_fit(topic: str) -> None:
    with pytest.raises(TopicError, match="allowed: riskstream/v1/<kind>/<sensor_id>"):
        read_topic(topic)
