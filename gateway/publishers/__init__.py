"""Readings, verdicts and alerts leave: topics, payloads, Home Assistant, and the outgoing pump."""

from gateway.publishers import alert_payloads, contract, messages, payloads
from gateway.publishers.home_assistant import Discovery
from gateway.publishers.outgoing import Chunk, History, NoHistory, OutboxStore, Publisher
from gateway.publishers.topics import Topics

__all__ = [
    "Chunk",
    "Discovery",
    "History",
    "NoHistory",
    "OutboxStore",
    "Publisher",
    "Topics",
    "alert_payloads",
    "contract",
    "messages",
    "payloads",
]
