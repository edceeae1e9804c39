"""What of a client goes into texts, as it is stored, and the text that is made of it."""

from __future__ import annotations

import orjson

from engine.domain.template import PHONE_NUMBER, TAG, Filled, Template

_NOTHING = Filled("", {}, "")


class Person:
    """A client, as far as texts are concerned."""

    __slots__ = ("_letter", "_template", "attributes", "phone_number", "tag")

    def __init__(self, attributes: str, tag: str, phone_number: int) -> None:
        """``attributes``: a JSON object."""
        self.attributes, self.tag, self.phone_number = attributes, tag, phone_number
        self._template: Template | None = None
        self._letter = _NOTHING

    def letter(self, template: Template, segments_max: int) -> Filled:
        """The text for this client. It is asked for twice, when a message is claimed and when it is called, and made
        once."""
        if self._template is not template:
            values = orjson.loads(self.attributes) if template.has_attributes else {}
            values[TAG], values[PHONE_NUMBER] = self.tag, self.phone_number
            self._letter, self._template = template.fill(values, segments_max), template
        return self._letter


def kept(letter: Filled) -> str:
    """What is stored to make the text again: the values, as JSON. Of the client's number it says only that it is there,
    for the number must not outlive the client."""
    values = letter.values
    shown = {**values, PHONE_NUMBER: None} if PHONE_NUMBER in values else values
    return orjson.dumps(shown).decode()
