"""Bytes <-> types, without I/O: ChirpStack events and commands, times, and keys into channels."""

from gateway.codecs.chirpstack_commands import encode_down
from gateway.codecs.chirpstack_events import ServerEvents, decode_event
from gateway.codecs.chirpstack_topics import TopicTemplate
from gateway.codecs.link_health import LINK_CHANNELS, LinkHealth
from gateway.codecs.payloads.assignment import Assignments
from gateway.codecs.payloads.decoder import PayloadDecoder
from gateway.codecs.payloads.layouts.commands import CommandForm, CommandKey
from gateway.codecs.payloads.library import CAYENNE_LPP, CodecLibrary
from gateway.codecs.readings import ReadingMapper
from gateway.codecs.times import format_rfc3339, parse_rfc3339

__all__ = [
    "CAYENNE_LPP",
    "LINK_CHANNELS",
    "Assignments",
    "CodecLibrary",
    "CommandForm",
    "CommandKey",
    "LinkHealth",
    "PayloadDecoder",
    "ReadingMapper",
    "ServerEvents",
    "TopicTemplate",
    "decode_event",
    "encode_down",
    "format_rfc3339",
    "parse_rfc3339",
]
