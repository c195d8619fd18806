"""Declarative binary layouts: a TOML file says where each value is, and both directions follow."""

from gateway.codecs.payloads.layouts.layout import LayoutCodec, parse_layout

__all__ = ["LayoutCodec", "parse_layout"]
