"""What people read, said in one place: a sentence is a template, its fields are filled in last.

Every title, reason and advice goes through `say`, so that one catalogue holds all sentences.
"""

from __future__ import annotations


def say(template: str, /, **fields: object) -> str:
    """Return the sentence with its fields filled in, `{name}` by `name`.

    `template` is a literal English sentence: it is the key of the catalogue.
    """
    return template.format(**fields) if fields else template
