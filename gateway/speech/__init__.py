"""What people read, said in one place: a sentence is a template, its fields are filled in last.

Every title, reason and advice goes through `say`, so that one catalogue holds all sentences and
`use` decides once, for the whole process, in which language and units they are said.
"""

from gateway.speech.channels import known_words, words_of
from gateway.speech.figures import difference, duration, figure, interval, moment
from gateway.speech.voice import LANGUAGES, Phrase, phrase, say, say_many, speaking, translated, use

__all__ = [
    "LANGUAGES",
    "Phrase",
    "difference",
    "duration",
    "figure",
    "interval",
    "known_words",
    "moment",
    "phrase",
    "say",
    "say_many",
    "speaking",
    "translated",
    "use",
    "words_of",
]
