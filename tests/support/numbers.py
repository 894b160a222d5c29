"""JSON values of two readers, made comparable."""

from typing import Any


def as_go_reads(value: Any) -> Any:
    """The same value, integers beyond 64 bits as floats."""
    if isinstance(value, dict):
        return {name: as_go_reads(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [as_go_reads(inner) for inner in value]
    return float(value) if type(value) is int and abs(value) >= 2**63 else value
