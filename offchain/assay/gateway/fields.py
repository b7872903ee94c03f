"""What fields of a request may hold, whatever the request asks for. Refusals name the field."""

from __future__ import annotations

from assay.core.errors import InputError


def is_token(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**32


def checked_text(text: str, name: str) -> str:
    if not text:
        raise empty_value(name)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(
            f"{name}: a lone surrogate at character {error.start} has no UTF-8 form",
            code="invalid_utf8",
            param=name,
        ) from error
    return text


def checked_flag(value: object, name: str) -> bool:
    if value is None:
        return False
    if not isinstance(value, bool):
        raise bad_value(name, "expected true or false")
    return value


def checked_number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise bad_value(name, f"expected a number, got {value!r}")
    try:
        return float(value)
    except OverflowError as error:
        raise bad_value(name, "is out of range") from error


def empty_value(name: str) -> InputError:
    return InputError(
        f"{name} is empty; give at least one character", code="empty_prompt", param=name
    )


def bad_value(name: str, why: str) -> InputError:
    return InputError(f"{name}: {why}", code="invalid_value", param=name)
