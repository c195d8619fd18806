import pytest

from gateway.codecs.payloads.layouts import parse_layout
from gateway.errors import BadInput

HEAD = 'vendor = "v"\nmodel = "m"\nsource = "s"\n'
MESSAGE = '[[message]]\nname = "status"\n'


def complaint(text: str) -> str:
    with pytest.raises(BadInput) as refusal:
        parse_layout(text, "my.toml")
    assert refusal.value.reason == "codec_syntax"
    assert len(refusal.value.detail) <= 200
    return refusal.value.detail


def field(line: str) -> str:
    return HEAD + MESSAGE + f"field = [{{ {line} }}]\n"


def command(line: str) -> str:
    return HEAD + '[[command]]\nname = "go"\n' + f"field = [{{ {line} }}]\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "my.toml: `vendor` is missing: add it"),
        ("vendor = ", "my.toml: is not TOML: Invalid value (at end of document)"),
        ("a=" + "[" * 5000, "my.toml: is not TOML"),
        ("#" * 300_000, "my.toml: is longer than 262144 characters"),
        (HEAD + "mesage = []", "unknown key `mesage`; did you mean `message`?"),
        (HEAD + "zzz = 1", "unknown key `zzz`; known are vendor, model, source"),
        (HEAD + 'byte_order = "middle"', "`byte_order` input should be 'big' or 'little'"),
        (HEAD + "f_port = 0", "`f_port` input should be greater than or equal to 1"),
        (
            field('name = "x", type = "u8", scal = 1'),
            "message 1 `status`, field 1 `x`: unknown key `scal`; did you mean `scale`?",
        ),
        (field('name = "x", type = "u9"'), "field 1 `x`: `type` must be one of u8, u16"),
        (field('name = "x"'), "field 1 `x`: `type` is missing: add it"),
        (field('type = "u8"'), "field 1: needs a `name`"),
        (field('name = "x y", type = "u8"'), "`name` string should match pattern"),
        (field('name = "x", type = "u8", scale = "1"'), "`scale` input should be a valid number"),
        (field('name = "x", type = "u8", scale = nan'), "`scale` input should be a finite number"),
        (field('name = "x", type = "u8", scale = 0'), "`scale` must be from 1e-12 to 1e+12"),
        (field('name = "x", type = "bcd", size = 9'), "`size` of a `bcd` is at most 8 bytes"),
        (field('name = "x", type = "u8", divide = 1e-300'), "`divide` must be from 1e-12"),
        (field('name = "x", type = "u8", min = 2, max = 1'), "`min` is greater than `max`"),
        (field('name = "x", type = "text", scale = 2'), "`scale` means nothing for type `text`"),
        (field('name = "x", type = "bits"'), "type `bits` needs `bits`"),
        (field('name = "x", type = "u8", mask = 0x100'), "`mask` has no bit within the 8 bits"),
        (field('name = "x", type = "u8", shift = 8'), "`shift` moves every bit out"),
        (field('name = "x", type = "u8", values = { a = 1 }'), "has the key `a`, which is no"),
        (field('name = "x", type = "u8", values = { 1 = 1, 0x1 = 2 }'), "the number 1 twice"),
        (field('name = "x", type = "u8", values = 1'), "`values` must be a table such as"),
        (field('name = "x", type = "u8", sign = "ones"'), "`sign` needs a signed type"),
        (
            field('name = "x", type = "u8", when = { at = 0, iss = 1 }'),
            "unknown key `iss`; did you mean `is`?",
        ),
        (field('name = "x", type = "u8", when = { is = 1 }'), "needs either `at` (a byte) or"),
        (
            field('name = "x", type = "u8", when = { at = 0, is = "1" }'),
            "must be a number, a list of numbers, or { min = 1, max = 9 }",
        ),
        (
            field('name = "x", type = "u8", when = { field = "y" }'),
            "message 1 `status`: `x` refers to `y`, which no field before it has",
        ),
        (
            field('type = "group", repeat = 2, field = [{ name = "x", type = "u8" }]'),
            "a group with `repeat` is a list, which needs a `name`",
        ),
        (
            field('name = "a", type = "u8" }, { name = "a.b", type = "u8"'),
            "`a` is a value, so `a.b` cannot stand in it: rename one",
        ),
        (
            field(
                'name = "a", type = "bits", bits = 3 },'
                ' { name = "b", type = "bits", bits = 3, byte_order = "little"'
            ),
            "field `b`: bits in a row must be of one `byte_order`",
        ),
        (HEAD + "[[message]]\nwhen.port = 1", "unknown key `port`; did you mean `f_port`?"),
        (HEAD + '[[message]]\non_unknown = "skip"', "needs `length_byte = true`"),
        (
            HEAD + "[[message]]\n[[message.item]]\nid = 1\n[[message.item]]\nid = [1, 2]",
            "all must have as many bytes",
        ),
        (
            HEAD + '[[message]]\nchecksum = { type = "crc16-modbus", at = -1 }',
            "`checksum` has 2 bytes: `at` must be -2 or less",
        ),
        (command('name = "x", type = "u8", polynomial = [1]'), "has no `polynomial`: remove it"),
        (command('name = "x", type = "u8", default = 300'), "`default` does not fit"),
        (command('name = "x", type = "u8", at = -1'), "in a command `at` counts from the front"),
        (command('name = "_x", type = "u8"'), "a command has no hidden fields"),
        (command('type = "skip", size = 1'), "needs a field with a name"),
        (command('name = "x", type = "u8", values = { 256 = 1 }'), "the field cannot hold"),
        (field('name = "x", type = "u8", default = 1'), "`default` is for commands: remove it"),
        (
            command('name = "x", type = "u8"')
            + '[[example]]\nhex = "05"\nf_port = 9\ncommand = { x = 5 }',
            "example 1: goes to port None",
        ),
        (
            "combine = true\n"
            + command('name = "x", type = "u8"')
            + 'checksum = { type = "sum8", at = -1 }',
            "command 1 `go`: `checksum` does not go with `combine`: remove one",
        ),
        (HEAD + '[[example]]\nhex = "0"\nobject = {}', "example 1: `hex` must be pairs"),
        (HEAD + '[[example]]\nhex = "00"', "example 1: needs either `object`"),
        (
            field('name = "x", type = "u8"') + '[[example]]\nhex = "05"\nobject = { x = 6 }',
            "my.toml: example 1: gives {'x': 5}",
        ),
        (
            field('name = "x", type = "u16"') + '[[example]]\nhex = "05"\nobject = { x = 6 }',
            "my.toml: example 1: gives codec_truncated: `x` needs 2 bytes, of which the payload",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place_and_remedy(text: str, words: str) -> None:
    assert words in complaint(text)


def test_groups_stand_no_deeper_than_four() -> None:
    inner = '{ name = "x", type = "u8" }'
    for _ in range(5):
        inner = f'{{ type = "group", field = [{inner}] }}'
    text = HEAD + MESSAGE + f"field = [{inner}]\n"
    assert "groups stand no deeper than 4" in complaint(text)
