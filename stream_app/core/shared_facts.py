"""Facts as they are compared: which values do an item and another have in common?"""

from stream_app.core.events import Attributes

Fact = tuple[str, str]
"""A value as it is compared; see `_fact`."""


def list_values(values: str | list[str]) -> list[tuple[str, str]]:
    """List the values of an attribute, each with the end of its JSON pointer ('' or '/0', '/1', ...)."""
    if isinstance(values, str):
        return [("", values)]
    return [(f"/{index}", value) for index, value in enumerate(values)]


def list_all_values(attributes: Attributes) -> list[str]:
    """List the values of all attributes, in order."""
    return [value for values in attributes.values() for _, value in list_values(values)]


def escape_pointer(name: str) -> str:
    """Escape a name for use in a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def compute_fact(name: str, value: str) -> Fact:
    """Make a value comparable: words wherever they stand, numbers only under the same attribute."""
    folded = value.casefold().strip()
    return (name.casefold() if any(character.isdigit() for character in folded) else "", folded)


def list_facts(attributes: dict[str, str | list[str]]) -> set[Fact]:
    """List all values of an item's attributes, made comparable."""
    return {
        compute_fact(name, value)
        for name, values in attributes.items()
        for _, value in list_values(values)
        if value.strip()
    }
