import csv
import gzip
from pathlib import Path

import pytest
from fake_models import LastValue
from table_files import iso, series, table

from gateway.commands import backtest
from gateway.errors import ConfigError, GatewayError


def run(tmp_path: Path, content: str | bytes, **options: object) -> list[dict[str, str]]:
    file, out = tmp_path / "in.csv", tmp_path / "out.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    warnings: list[str] = []
    status = backtest.run(
        file,
        out,
        model=LastValue(),
        warn=warnings.append,
        **options,  # type: ignore[arg-type]
    )
    assert status == 0
    (tmp_path / "warnings.txt").write_text("\n".join(warnings))
    with out.open(newline="") as lines:
        return list(csv.DictReader(lines))


def warned(tmp_path: Path) -> str:
    return (tmp_path / "warnings.txt").read_text()


def test_every_sample_of_every_channel_has_one_row_in_the_fixed_format(tmp_path: Path) -> None:
    lines = [f"{iso(time_s)},{value},{value * 2}" for time_s, value in series(200)]
    lines[150] = lines[150].rsplit(",", 1)[0] + ","
    rows = run(tmp_path, "when,a,b\n" + "\n".join(lines) + "\n", time="when")
    assert list(rows[0]) == list(backtest.HEADER)
    assert [row["channel"] for row in rows] == ["a", "b"] * 200
    assert rows[0]["time"] == "2024-03-01 00:00:00"
    assert [row["status"] for row in rows[:2]] == ["warming", "warming"]
    assert rows[301]["status"] == "missing"
    assert rows[301]["observed"] == rows[301]["score"] == ""
    assert {row["status"] for row in rows[300::2]} == {"ok"}
    last = rows[-2]
    assert float(last["expected_low"]) <= float(last["expected_mid"])
    assert 0 < float(last["p_value"]) <= 1
    assert float(last["score"]) >= 0


def test_a_row_uses_only_rows_up_to_it(tmp_path: Path) -> None:
    data = series(400)
    whole = run(tmp_path, table(data))
    assert run(tmp_path, table(data[:301])) == whole[:301]


def test_an_anomaly_has_one_alert_id_for_its_life(tmp_path: Path) -> None:
    data = series(900)
    for at in range(700, 760):
        data[at] = (data[at][0], data[at][1] + 40.0)
    rows = run(tmp_path, table(data))
    inside = [row for row in rows[700:712] if row["status"] == "anomalous"]
    assert inside
    assert len({row["alert_id"] for row in inside}) == 1
    assert inside[0]["alert_id"]
    assert all(row["alert_id"] == "" for row in rows[:700])


def test_an_alert_engine_can_be_plugged_in(tmp_path: Path) -> None:
    told: list[float] = []

    def engine(verdicts, now_s):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
        told.append(now_s)
        return {(verdict.dev_eui, verdict.channel): "X" for verdict in verdicts}

    data = series(100)
    rows = run(tmp_path, table(data), alert_of=engine)
    assert told == [time_s for time_s, _ in data]
    assert {row["alert_id"] for row in rows} == {"X"}


@pytest.mark.parametrize(
    "form",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: text.replace(".", "#").replace(",", ";").replace("#", ","),
        lambda text: text.replace(",", "\t"),
        lambda text: text + "\n\n",
    ],
    ids=["crlf", "bom", "semicolon and decimal comma", "tab", "blank lines"],
)
def test_forms_that_people_s_files_have_are_all_read(form, tmp_path: Path) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001
    text = table(series(90))
    assert run(tmp_path, form(text)) == run(tmp_path, text)


@pytest.mark.parametrize(
    "written",
    [
        lambda time_s: f"{time_s:.0f}",
        lambda time_s: f"{time_s * 1000:.0f}",
        lambda time_s: iso(time_s).replace(" ", "T") + "Z",
        lambda time_s: iso(time_s) + "+00:00",
        lambda time_s: iso(time_s) + ".000",
    ],
)
def test_times_are_read_in_every_common_form_and_written_as_they_were(
    written,  # type: ignore[no-untyped-def] # noqa: ANN001
    tmp_path: Path,
) -> None:
    data = series(90)
    text = "date,v\n" + "".join(f"{written(time_s)},{value}\n" for time_s, value in data)
    rows = run(tmp_path, text)
    assert [row["time"] for row in rows] == [written(time_s) for time_s, _ in data]
    plain = run(tmp_path, table(data))
    assert [row["score"] for row in rows] == [row["score"] for row in plain]


def test_a_gzipped_file_is_read(tmp_path: Path) -> None:
    text = table(series(80))
    assert run(tmp_path, gzip.compress(text.encode())) == run(tmp_path, text)


def test_unsorted_and_repeated_times_are_judged_in_order_and_reported(tmp_path: Path) -> None:
    data = series(120)
    text = table([data[1], data[0], *data[2:], data[50]])
    rows = run(tmp_path, text)
    assert "not in order" in warned(tmp_path)
    assert "more than once" in warned(tmp_path)
    straight = run(tmp_path, table(data))
    assert rows[2:120] == straight[2:]
    assert rows[120]["status"] == straight[50]["status"]


@pytest.mark.parametrize("blank", ["", "NaN", "NA", "null", "n/a", " "])
def test_blanks_are_missing_and_never_zero(blank: str, tmp_path: Path) -> None:
    lines = table(series(100)).splitlines()
    lines[80] = lines[80].split(",")[0] + "," + blank
    rows = run(tmp_path, "\n".join(lines))
    assert rows[79]["status"] == "missing"
    assert rows[79]["expected_mid"] == ""
    assert rows[80]["status"] == "ok"


def test_a_text_column_is_left_out_unless_asked_for(tmp_path: Path) -> None:
    text = "time,note,v\n" + "".join(f"{iso(t)},fine,{v}\n" for t, v in series(70))
    rows = run(tmp_path, text)
    assert {row["channel"] for row in rows} == {"v"}
    assert "'note' holds text" in warned(tmp_path)
    with pytest.raises(ConfigError, match="'note' holds text"):
        run(tmp_path, text, columns=["note"])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is empty"),
        ("time,v\n", "no rows"),
        ("v\n1\n2\n", "the one column 'v'"),
        ("a,b\nx,1\ny,2\n", "no column looks like a time"),
        ("time,v\nx,1\ny,2\n", "no column looks like a time"),
        ("time,note\n2024-01-01,x\n2024-01-02,y\n", "no column of numbers"),
        ("time,v,v\n2024-01-01,1,2\n", "must be unique"),
        ("1,2\n3,4\n", "no header line"),
        (b"\x00\x01\x02\x03", "not a text file"),
    ],
)
def test_what_cannot_be_used_is_said_in_plain_words(content, says: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001
    with pytest.raises(GatewayError, match=says):
        run(tmp_path, content)


def test_a_missing_file_and_a_missing_column_are_named(tmp_path: Path) -> None:
    with pytest.raises(GatewayError, match="does not exist"):
        backtest.run(tmp_path / "none.csv", tmp_path / "out.csv", model=LastValue())
    with pytest.raises(ConfigError, match="It has: 'temp'"):
        run(tmp_path, table(series(70)), columns=["humidity"])
    file = tmp_path / "in.csv"
    file.write_text(table(series(70)))
    with pytest.raises(GatewayError, match="cannot be written"):
        backtest.run(file, tmp_path / "no" / "out.csv", model=LastValue())
