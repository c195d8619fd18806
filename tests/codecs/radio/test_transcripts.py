"""Every dialect holds the conversations written after its maker's documents, on any wire."""

from __future__ import annotations

import random

import pytest
from radio_transcripts import Player, Transcript, noise_of, transcripts, without_trouble

from gateway.codecs.radio import DIALECTS
from gateway.codecs.radio.contract import RadioSettings

ALL = list(transcripts())
STREAMS = [one for one in ALL if one.device != "semtech-udp"]
CHECKED = [one for one in STREAMS if one.device != "rnode"]  # KISS has no checksum
ENDINGS = {"rnode": b"\xc0", "board": b"\x00", "semtech-udp": b""}


def name(transcript: Transcript) -> str:
    return f"{transcript.device}-{transcript.path.stem}"


def test_every_dialect_has_a_transcript() -> None:
    assert {one.device for one in ALL} == set(DIALECTS)


@pytest.mark.parametrize("transcript", ALL, ids=name)
def test_a_conversation_goes_as_the_documents_say(transcript: Transcript) -> None:
    assert Player(transcript).play().events == transcript.expected


@pytest.mark.parametrize("cut", [1, 2, 7])
@pytest.mark.parametrize("transcript", STREAMS, ids=name)
def test_bytes_may_be_cut_anywhere(transcript: Transcript, cut: int) -> None:
    assert Player(transcript).play(cut=cut).events == transcript.expected


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("transcript", CHECKED, ids=name)
def test_noise_between_lines_changes_nothing(transcript: Transcript, seed: int) -> None:
    noise = noise_of(seed, len(transcript.said), ENDINGS.get(transcript.device, b"\r\n"))
    played = Player(transcript).play(between=noise)
    assert without_trouble(played.events) == without_trouble(transcript.expected)


@pytest.mark.parametrize("transcript", STREAMS, ids=name)
def test_boot_noise_before_the_first_word_changes_nothing(transcript: Transcript) -> None:
    ending = ENDINGS.get(transcript.device, b"\r\n")
    noise = bytes(range(32, 128)) * 30 + ending  # longer than any line or frame may be
    played = Player(transcript).play(between=[noise])
    assert without_trouble(played.events) == without_trouble(transcript.expected)


@pytest.mark.parametrize("transcript", ALL, ids=name)
def test_damaged_and_truncated_lines_never_raise(transcript: Transcript) -> None:
    chance = random.Random(4)  # noqa: S311 - repeatable damage
    for _ in range(40):
        player = Player(transcript, check_writes=False)
        player.take(player.dialect.start(transcript.settings, 1000.0))
        for said in transcript.said:
            damaged = bytearray(said)
            for _ in range(chance.randrange(3)):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            player.hear(bytes(damaged[: chance.randrange(1, len(damaged) + 1)]))
            if chance.random() < 0.3:
                player.wait(chance.choice([0.25, 2.0, 5.0]))


@pytest.mark.parametrize("device", sorted({one.device for one in STREAMS}))
def test_a_dead_board_is_given_up_in_ten_seconds(device: str) -> None:
    transcript = next(one for one in ALL if one.device == device)
    player = Player(transcript, check_writes=False)
    player.take(player.dialect.start(RadioSettings(868_100_000), 1000.0))
    player.wait(10)
    assert player.events == ["lost"]
    player.wait(100)
    assert player.events == ["lost"]


@pytest.mark.parametrize("device", sorted(DIALECTS))
def test_what_is_fed_before_the_start_is_harmless(device: str) -> None:
    dialect = DIALECTS[device]()
    for transcript in ALL:
        for said in transcript.said:
            dialect.feed(said, 1.0)
    dialect.tick(2.0)
