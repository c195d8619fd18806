"""Every sentence of the sources stands in every catalogue, translated, with the same fields."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

import gateway
from gateway.speech import LANGUAGES, phrase, say, say_many, speaking
from gateway.speech.catalogue import Entry, entries_of, translations_in

SOURCES = Path(gateway.__file__).parent
SPOKEN = {"say": 1, "say_many": 2, "phrase": 1}
"""What says sentences, and how many literals each takes."""

HALF_WIDTH = re.compile(
    r"[\u4e00-\u9fff}][,;:!?]|[\u4e00-\u9fff}]\.(?![\d.])|[,;:] ?[\u4e00-\u9fff]"
)
"""European punctuation beside a Chinese character."""

TOO_CLOSE = re.compile(r"[\u4e00-\u9fff](?:[A-Za-z0-9])|[A-Za-z0-9][\u4e00-\u9fff]")
ENGLISH = re.compile(r"[A-Za-z]{3,}")
NOT_WORDS = re.compile(r"\{[^}]*\}|`[^`]*`|\[[a-z.]+\]|\w+(?:[_-]\w+)+")
"""Fields, and what people must type: settings, commands."""

NAMES_OF_THEIR_OWN = {"codec", "run", "SNR", "LoRa", "LoRaWAN", "MQTT", "GPS", "NTP"}


def name_of(call: ast.Call) -> str:
    """Return which of `SPOKEN` a call is, "" for any other: `say(...)` or `speech.say(...)`."""
    match call.func:
        case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="speech"), attr=name):
            return name if name in SPOKEN else ""
    return ""


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and name_of(node):
            yield node


def literals(call: ast.Call) -> tuple[str, ...]:
    found = []
    for argument in call.args[: SPOKEN[name_of(call)]]:
        if not (isinstance(argument, ast.Constant) and isinstance(argument.value, str)):
            return ()
        found.append(argument.value)
    return tuple(found)


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(SOURCES.rglob("*.py")):
        yield path.relative_to(SOURCES), ast.parse(path.read_text("utf-8"))


def sentences() -> set[tuple[str, ...]]:
    return {found for _, tree in sources() for call in calls(tree) if (found := literals(call))}


def catalogue(language: str) -> list[Entry]:
    path = SOURCES / "speech" / "locale" / language / "LC_MESSAGES" / "lora-gateway.po"
    return [entry for entry in entries_of(path.read_text("utf-8")) if entry.key]


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


TRANSLATED = [language for language in LANGUAGES if language != "en"]
ENTRIES = [(language, entry) for language in TRANSLATED for entry in catalogue(language)]


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_sentence_is_in_the_catalogue_and_nothing_else(language: str) -> None:
    known = {
        tuple(entry.parts[name] for name in ("msgid", "msgid_plural") if name in entry.parts)
        for entry in catalogue(language)
    }

    assert sentences() - known == set(), "run deploy/catalogue, then translate what it lists"
    assert known - sentences() == set(), "run deploy/catalogue: these are said no more"


@pytest.mark.parametrize(("language", "entry"), ENTRIES, ids=lambda one: getattr(one, "key", one))
def test_a_translation_is_whole_and_has_the_same_fields(language: str, entry: Entry) -> None:
    assert not entry.fuzzy
    assert entry.translations
    assert all(entry.translations), "not translated"
    for text in entry.translations:
        assert fields(text) == fields(entry.parts.get("msgid_plural", entry.key)), language


CHINESE = [entry for language, entry in ENTRIES if language == "zh_CN"]


@pytest.mark.parametrize("entry", CHINESE, ids=lambda entry: entry.key)
def test_chinese_is_set_as_chinese_is_printed(entry: Entry) -> None:
    for text in entry.translations:
        assert not HALF_WIDTH.search(text), "full-width punctuation among Chinese characters"
        words = NOT_WORDS.sub("", text)
        assert not TOO_CLOSE.search(words), "a blank between the two scripts"
        assert not set(ENGLISH.findall(words)) - NAMES_OF_THEIR_OWN
        assert entry.key.endswith(".") == text.endswith("。"), "a sentence stays a sentence"


def test_nothing_is_said_while_modules_are_imported() -> None:
    """Then no language is chosen yet: what stands in a table is a `phrase`, and said later."""
    early = []
    for path, tree in sources():
        inside = {
            id(call)
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for call in calls(node)
        }
        early += [
            f"{path}:{call.lineno}"
            for call in calls(tree)
            if name_of(call) != "phrase" and id(call) not in inside
        ]

    assert early == []


def test_an_f_string_is_never_said() -> None:
    """It would be filled in before the catalogue is asked."""
    wrong = [
        f"{path}:{call.lineno}"
        for path, tree in sources()
        for call in calls(tree)
        if any(isinstance(argument, ast.JoinedStr | ast.BinOp) for argument in call.args[:1])
    ]

    assert wrong == []


def test_every_refusal_of_a_command_is_said() -> None:
    """Its reason is a constant for programs; what people read is never a literal or an f-string."""
    unsaid = [
        f"{path}:{call.lineno}"
        for path, tree in sources()
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "CommandRefused"
        and isinstance(call.args[1], ast.Constant | ast.JoinedStr | ast.BinOp)
    ]

    assert unsaid == []


def test_a_sentence_is_said_in_the_language_of_the_block_alone() -> None:
    with speaking("zh_CN"):
        chinese = say("{channel} is higher than expected", channel=say("soil moisture"))

    assert chinese == "土壤水分高于预期"
    assert say("{channel} is higher than expected", channel="pH") == "pH is higher than expected"


def test_what_is_not_in_the_catalogue_stays_as_it_is() -> None:
    with speaking("zh_CN"):
        assert say(phrase("North {valve}"), valve="{not} a field") == "North {not} a field"
        assert say("") == ""


def test_a_number_chooses_its_form() -> None:
    one, many = "{count} day", "{count} days"

    assert (say_many(one, many, 1), say_many(one, many, 2)) == ("1 day", "2 days")
    with speaking("zh_CN"):
        assert (say_many(one, many, 1), say_many(one, many, 2)) == ("1 天", "2 天")


PO = r"""
msgid ""
msgstr ""
"Content-Type: text/plain; charset=utf-8\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\n"

#: a.py
# of people
#, fuzzy, python-brace-format
msgid "guess"
msgstr "geraten"

msgid "two "
"lines \"quoted\"\n"
msgstr ""
"zwei Zeilen\t"
msgctxt "gate"
msgid "open"
msgstr "offen"

msgid "{count} cow"
msgid_plural "{count} cows"
msgstr[0] "{count} Kuh"
msgstr[1] "{count} Kühe"

#~ msgid "gone"
#~ msgstr "weg"
"""


def test_a_po_file_is_read_as_gettext_reads_it() -> None:
    german = translations_in(PO)

    assert german.gettext('two lines "quoted"\n') == "zwei Zeilen\t"
    assert german.pgettext("gate", "open") == "offen"
    assert german.ngettext("{count} cow", "{count} cows", 1) == "{count} Kuh"
    assert german.ngettext("{count} cow", "{count} cows", 3) == "{count} Kühe"
    assert german.gettext("guess") == "guess"
    assert german.gettext("gone") == "gone"


@pytest.mark.parametrize("line", ["msgid unquoted", '"a text of nothing"', 'msgtext "x"'])
def test_a_line_that_is_none_of_a_catalogue_is_named(line: str) -> None:
    with pytest.raises(ValueError, match="line 2"):
        entries_of(f"# comment\n{line}\n")
