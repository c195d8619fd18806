"""`lora-gateway audit`: every decision on commands, printed and checked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from gateway.codecs import format_rfc3339
from gateway.commands.inspect import reading
from gateway.config import load
from gateway.store import AuditRow, Reader, verify

PAGE = 1000


def run(config_path: Path | None, *, verify_it: bool, known: Sequence[str], as_json: bool) -> int:
    """Print the chain, or check it: 0 when it is whole, 1 when it is not."""
    with reading(load(config_path)) as store:
        if verify_it or known:
            return _verify(store, known, as_json=as_json)
        for row in _chain(store):
            print(_exported(row) if as_json else _line(row))
    return 0


def _verify(store: Reader, known: Sequence[str], *, as_json: bool) -> int:
    # The daemon may append meanwhile: the head is taken first, and the chain read up to it.
    noted = store.audit_head()
    found = verify(
        (row for row in _chain(store) if row.seq <= noted[0] or not noted[0]),
        noted,
        known=[digest.lower() for digest in known],
    )
    fault = found.fault
    if as_json:
        body = {
            "status": "broken" if fault else "ok",
            "rows": found.rows,
            "head": found.head,
            "seq": fault.seq if fault else None,
            "error": fault.said if fault else None,
        }
        print(json.dumps(body))
    elif fault is not None:
        print(f"The audit log is broken at row {fault.seq}: {fault.said}.")
    else:
        print(f"The audit log is whole: {found.rows} rows, head {found.head or 'none'}.")
        print("Keep the head elsewhere: `--head` finds it again in a log that only grew.")
    return 1 if fault else 0


def _chain(store: Reader) -> Iterator[AuditRow]:
    after = 0
    while page := store.audit(after, PAGE):
        yield from page
        after = page[-1].seq


def _exported(row: AuditRow) -> str:
    """Return a row so that anybody can check it: the body is the very text that was hashed."""
    return json.dumps({"seq": row.seq, "hash": row.digest, "body": row.body})


def _line(row: AuditRow) -> str:
    body = json.loads(row.body)
    detail = body["detail"]
    who = f"  by {detail['by']}" if detail.get("by") else ""
    said = f"  {detail['detail']}" if detail.get("detail") else ""
    what = detail.get("state") or detail.get("what") or ""
    device = detail.get("dev_eui", "")
    return (
        f"{row.seq:>6}  {format_rfc3339(row.time_s)}  {body['kind']}  {what}  {device}{who}{said}"
    )
