"""Items as the prompt shows them: title and attributes, with marks for slots and for what is shared."""

from collections.abc import Collection
from dataclasses import dataclass

from stream_app.core.shared_facts import Fact


@dataclass(frozen=True, slots=True)
class ShownValue:
    """A value of an attribute as the prompt writes it, slot tokens included."""

    text: str
    fact: Fact
    is_name: bool


@dataclass(frozen=True, slots=True)
class ShownItem:
    """The item, or an item of the history: its mark and title, and its attributes with their values."""

    token: str
    title: str
    attributes: tuple[tuple[str, tuple[ShownValue, ...]], ...]

    @property
    def facts(self) -> set[Fact]:
        """All values, as they are compared."""
        return {value.fact for _, values in self.attributes for value in values}

    def render(self, shared: Collection[Fact]) -> str:
        """Render title and attributes; shared values are marked."""
        parts = [self.title]
        for name, values in self.attributes:
            shown = [f"<same> {value.text}" if value.fact in shared else value.text for value in values]
            parts += [";", name, " , ".join(shown)] if name else [";", " , ".join(shown)]
        return " ".join(parts)

    def without_unshared_names(self, shared: Collection[Fact]) -> "ShownItem":
        """Leave out names that only an item of the history has which this plan does not show."""
        kept = [
            (name, tuple(value for value in values if value.fact in shared or not value.is_name))
            for name, values in self.attributes
        ]
        return ShownItem(self.token, self.title, tuple((name, values) for name, values in kept if values))
