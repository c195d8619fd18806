import pytest

from gateway.codecs import TopicTemplate
from gateway.errors import BadInput, ConfigError

DEFAULT = "application/{application_id}/device/{dev_eui}/event/{event}"


@pytest.mark.parametrize(
    ("template", "topic", "parts"),
    [
        (DEFAULT, "application/a/device/01/event/up",
         {"application_id": "a", "dev_eui": "01", "event": "up"}),
        (DEFAULT, "application/a/device/01/event/up/more", None),
        (DEFAULT, "application/a/device//event/up", None),
        (DEFAULT, "gateway/a/device/01/event/up", None),
        ("farm/{event}/{dev_eui}", "farm/up/01", {"event": "up", "dev_eui": "01"}),
        ("eu868.1/x/{dev_eui}", "eu868.1/x/01", {"dev_eui": "01"}),
        ("eu868.1/x/{dev_eui}", "eu868-1/x/01", None),
        ("{dev_eui}_{event}/rx", "01_up/rx", {"dev_eui": "01", "event": "up"}),
        ("{dev_eui}/{dev_eui}", "01/01", {"dev_eui": "01"}),
        ("{dev_eui}/{dev_eui}", "01/02", None),
    ],
)  # fmt: skip
def test_topics_are_matched(template: str, topic: str, parts: dict[str, str] | None) -> None:
    assert TopicTemplate(template).match(topic) == parts


@pytest.mark.parametrize(
    ("template", "fixed", "expected"),
    [
        (DEFAULT, {}, "application/+/device/+/event/+"),
        (DEFAULT, {"event": "up"}, "application/+/device/+/event/up"),
        ("farm/{dev_eui}_rx", {}, "farm/+"),
        ("farm/{dev_eui}_rx", {"dev_eui": "01"}, "farm/01_rx"),
        ("farm", {}, "farm"),
    ],
)
def test_open_places_are_subscribed_to_with_a_plus(
    template: str, fixed: dict[str, str], expected: str
) -> None:
    assert TopicTemplate(template).subscription(**fixed) == expected


def test_a_filled_topic_matches_its_own_template() -> None:
    template = TopicTemplate("application/{application_id}/device/{dev_eui}/command/{command}")
    topic = template.fill(application_id="a", dev_eui="01", command="down")
    assert topic == "application/a/device/01/command/down"
    assert template.match(topic) == {"application_id": "a", "dev_eui": "01", "command": "down"}


@pytest.mark.parametrize("part", ["", "a/b", "+", "#", "a\x00"])
def test_a_part_that_would_change_the_topic_is_refused(part: str) -> None:
    with pytest.raises(BadInput, match="invalid_topic_part"):
        TopicTemplate("x/{dev_eui}").fill(dev_eui=part)


@pytest.mark.parametrize("template", ["x/{device}", "x/{}", "x/{dev_eui", "x/+/{dev_eui}", "}/x"])
def test_a_template_that_cannot_work_is_a_configuration_error(template: str) -> None:
    with pytest.raises(ConfigError):
        TopicTemplate(template)
