"""Runs the parity program as WebAssembly in wasmtime:
run.py MODULE BUNDLE KEY_HEX APPLICATIONS[,FIELD=ROWS]... MARKS MARKS MARK.
"""

import struct
import sys
from pathlib import Path

from wasmtime import Instance, Module, Store


def main(module: str, bundle: str, key: str, csv: str, plain: str, explained: str, layers: str) -> None:
    """Prints what the program prints."""
    store = Store()
    instance = Instance(store, Module.from_file(store.engine, module), [])
    exports = instance.exports(store)
    memory = exports["memory"]

    def put(data: bytes) -> int:
        at = exports["parity_alloc"](store, len(data)) & 0xFFFFFFFF
        memory.write(store, data, at)
        return at

    lists = [[int(mark) for mark in marks.split(",") if mark] for marks in (plain, explained, layers)]
    marks = [len(marks) for marks in lists] + sum(lists, [])
    applications, *tables = csv.split(",")
    rows = [table.split("=", 1) for table in tables]
    csv_bytes = Path(applications).read_bytes() + b"".join(
        f"\n{field}\n".encode() + Path(path).read_bytes() for field, path in rows
    )
    bundle_bytes = Path(bundle).read_bytes()
    out = exports["parity_run"](
        store,
        put(bundle_bytes), len(bundle_bytes),
        put(csv_bytes), len(csv_bytes),
        put(bytes.fromhex(key)),
        put(struct.pack(f"<{len(marks)}I", *marks)),
    ) & 0xFFFFFFFF
    at, length = struct.unpack("<2I", memory.read(store, out, out + 8))
    sys.stdout.write(bytes(memory.read(store, at, at + length)).decode())


main(*sys.argv[1:])
