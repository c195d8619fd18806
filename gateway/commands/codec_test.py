"""`lora-gateway codec test`: every example beside a codec, or of a whole checkout, run and judged.

Exit status: 0 all exact or close, 1 something differs or failed, 2 the path is of no use.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from gateway.codecs.payloads.checkouts import (
    CodecSource,
    Example,
    MakeCodec,
    Outcome,
    Verdict,
    find,
    judge,
)
from gateway.codecs.payloads.checkouts.examples import EvaluateJson5
from gateway.codecs.payloads.javascript import JavaScriptCodec
from gateway.errors import BadInput
from gateway.types import Json

OUTCOMES = tuple(Outcome)
_WIDTH = 120
"""Columns of a report that goes to a file or a pipe."""


@dataclass(frozen=True, slots=True)
class Result:
    """One judged example; `example` is None for a file that could not be read at all."""

    vendor: str
    model: str
    example: Example | None
    verdict: Verdict

    def as_json(self) -> Json:
        """Return it as `--json` prints it."""
        return {
            "vendor": self.vendor,
            "model": self.model,
            "codec": f"{self.vendor}/{self.model}" if self.vendor else self.model,
            "kind": self.example.kind.value if self.example else "file",
            "description": self.example.description if self.example else "",
            "verdict": self.verdict.outcome.value,
            "diff": list(self.verdict.diff),
            "reason": self.verdict.reason,
        }


@dataclass(frozen=True, slots=True)
class CodecResults:
    """All results of one codec."""

    vendor: str
    model: str
    results: tuple[Result, ...]

    def count(self, outcome: Outcome) -> int:
        """Return how many ended so; a broken file counts as a failure."""
        return sum(result.verdict.outcome is outcome for result in self.results)

    @property
    def examples(self) -> int:
        """Return how many examples there are, broken files aside."""
        return sum(result.example is not None for result in self.results)


def run(
    path: Path,
    *,
    as_json: bool,
    make_codec: MakeCodec,
    evaluate_json5: EvaluateJson5 | None = None,
) -> int:
    """Judge every example under `path` and print a table, what differs, and why it failed."""
    try:
        checkout = find(path, evaluate_json5)
        judged = list(_with_progress(checkout.sources(), make_codec, quiet=as_json))
    except BadInput as error:
        print(f"lora-gateway: {error.detail or error.reason}", file=sys.stderr)
        return 2
    if not judged:
        print(f"lora-gateway: there is no codec in {path}.", file=sys.stderr)
        return 2
    summary = summarize(judged)
    if as_json:
        results = [result.as_json() for codec in judged for result in codec.results]
        print(json.dumps({"summary": summary, "results": results}, ensure_ascii=False))
    else:
        _print(judged, summary)
    return 1 if summary["differ"] or summary["failed"] else 0


def judge_source(source: CodecSource, make_codec: MakeCodec) -> CodecResults:
    """Judge one codec's examples; a broken file becomes a result too, and ends nothing.

    Examples whose codec is not there are not run and not counted: its file is the one failure.
    """
    verdicts: list[tuple[Example | None, Verdict]] = [
        (None, Verdict(Outcome.FAILED, reason=f"{file}: {reason}"))
        for file, reason in source.problems
    ]
    if source.script or not source.problems:
        verdicts += _judged(source, make_codec)
    results = (Result(source.vendor, source.model, example, v) for example, v in verdicts)
    return CodecResults(source.vendor, source.model, tuple(results))


def _judged(source: CodecSource, make_codec: MakeCodec) -> list[tuple[Example | None, Verdict]]:
    try:
        codec = make_codec(source.name, source.suffix, source.script)
    except BadInput as error:
        why = Verdict(Outcome.FAILED, reason=str(error))
        return [(example, why) for example in source.examples] or [(None, why)]
    judged: list[tuple[Example | None, Verdict]] = [
        (example, judge(codec, example)) for example in source.examples
    ]
    if isinstance(codec, JavaScriptCodec):
        codec.close()
    return judged


def summarize(judged: list[CodecResults]) -> dict[str, int]:
    """Return the counts over all codecs."""
    counts = Counter(r.verdict.outcome for codec in judged for r in codec.results)
    return {
        "codecs": len(judged),
        "examples": sum(codec.examples for codec in judged),
        **{outcome.value: counts[outcome] for outcome in OUTCOMES},
    }


def _with_progress(
    sources: Iterator[CodecSource], make_codec: MakeCodec, *, quiet: bool
) -> Iterator[CodecResults]:
    console = Console(stderr=True)
    shown = console.is_terminal and not quiet
    columns = (SpinnerColumn(), TextColumn("{task.completed} examples  {task.description}"))
    bar = Progress(*columns, TimeElapsedColumn(), console=console, transient=True)
    with bar if shown else nullcontext():
        task = bar.add_task("", total=None)
        for source in sources:
            bar.update(task, description=source.name.replace("[", "("))
            judged = judge_source(source, make_codec)
            bar.advance(task, judged.examples)
            yield judged


def _print(judged: list[CodecResults], summary: dict[str, int]) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    console.print(_table(judged, summary))
    for codec in judged:
        for result in codec.results:
            if result.verdict.outcome is not Outcome.EXACT:
                console.print(_told(result), soft_wrap=True)
    if not summary["examples"]:
        console.print("There are no examples beside it; it loads, and that is all that was tried.")


def _table(judged: list[CodecResults], summary: dict[str, int]) -> Table:
    table = Table(show_footer=True)
    table.add_column("vendor", footer=f"{summary['codecs']} codecs", overflow="fold")
    table.add_column("model", overflow="fold")
    table.add_column("examples", footer=str(summary["examples"]), justify="right")
    for outcome in OUTCOMES:
        table.add_column(outcome.value, footer=str(summary[outcome.value]), justify="right")
    for codec in judged:
        counts = (str(codec.count(outcome) or "") for outcome in OUTCOMES)
        names = Text(_printable(codec.vendor)), Text(_printable(codec.model))
        table.add_row(*names, str(codec.examples), *counts)
    return table


def _told(result: Result) -> Text:
    row = result.as_json()
    title = f"{row['codec']}  {row['kind']}  {row['description']}".rstrip()
    lines = [f"{title}: {row['verdict']}", *(f"    {line}" for line in row["diff"])]
    if result.verdict.reason:
        lines.append(f"    {result.verdict.reason}")
    return Text("\n".join(map(_printable, lines)))


def _printable(text: str) -> str:
    """Return a stranger's text without what would move a terminal's cursor or change its colors."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
