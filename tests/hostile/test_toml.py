"""Matrices and studies that nobody should trust: an error of ours that names the fault, at once."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from frontdef.analysis.study import load_study
from frontdef.cli.arguments import parse_config
from frontdef.errors import ConfigError
from frontdef.matrix.entries import load_matrix, parse_matrix
from frontdef.matrix.plan import attacks_of
from frontdef.threat import parse_eps
from frontdef.toml import MAX_DEPTH, parse_toml

READERS = (load_matrix, load_study)

HOSTILE = {
    "arrays in arrays": (b"a = " + b"[" * 10_000 + b"]" * 10_000, "deep"),
    "arrays that never end": (b"a = " + b"[" * 10_000, "deep"),
    "tables in tables": (b"a = " + b"{a=" * 5_000 + b"1" + b"}" * 5_000, "deep"),
    "dotted key": (b".".join([b"a"] * 10_000) + b" = 1", "deep"),
    "dotted key of strings": (b".".join([b'"a"'] * 10_000) + b" = 1", "deep"),
    "dotted table": (b"[" + b" . ".join([b"a"] * 10_000) + b"]", "deep"),
    "many keys": (b"".join(b"k%d=1\n" % number for number in range(50_000)), "keys and values"),
    "many values": (b"a = [" + b"1," * 50_000 + b"]", "keys and values"),
    "a mebibyte of keys": (b"".join(b"k%07d=1\n" % number for number in range(110_000)), "bytes"),
    "digits": (b"seed = " + b"9" * 5_000, "digits"),
    "hexadecimal digits": (b"seed = 0x" + b"f" * 5_000, "digits"),
    "more than 64 bits": (b"seed = 99999999999999999999", "64 bits"),
    "larger than a float": (b"samples = 1e999999999", "larger than any float"),
    "Latin-1": ("name = 'café'".encode("latin-1"), "byte 0xe9 in line 1"),
    "UTF-16": ("name = 'a'".encode("utf-16"), "UTF-8"),
    "NUL": (b"name = '\0'", "not valid TOML"),
    "long name": (b"name = '" + b"a" * 5_000 + b"'", "5,000|5,002"),
    "quotes that never end": (b'a = """' + b'\\"""' * 100_000, "not valid TOML"),
    "long bare word": (b"a" * 500_000, "not valid TOML"),
    "long bare word of digits": (b"1" * 500_000, "digits"),
}


@pytest.mark.parametrize("case", HOSTILE)
@pytest.mark.parametrize("read", READERS)
def test_hostile_toml_is_refused_by_name(tmp_path, read, case):
    data, message = HOSTILE[case]
    path = tmp_path / "file.toml"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=message) as caught:
        read(path)
    assert len(str(caught.value)) < 2_000


@pytest.mark.parametrize("read", READERS)
def test_what_is_no_file_is_refused_and_nothing_waits(tmp_path, monkeypatch, read):
    pipe, folder, door = tmp_path / "pipe", tmp_path / "folder", tmp_path / "socket"
    os.mkfifo(pipe)
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(tmp_path)  # a socket's name is short
        listening.bind("socket")
        for path, what in ((pipe, "a pipe"), (folder, "a folder"), (Path("/dev/zero"), "a device"), (door, "No such")):
            with pytest.raises(ConfigError, match=what):
                read(path)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("path", ["", "a\0b", "a" * 300, "missing.toml", "x/" * 3_000])
def test_paths_that_lead_nowhere(read, path):
    with pytest.raises(ConfigError, match="cannot read"):
        read(Path(path))


def test_the_bounds_leave_room_for_what_is_meant():
    nested = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    text = f"""# [[[[[[[[[[[[[[[[[[[[[[[[ 9999999999999999999999999999999999999999999999
    deep = {nested}
    said = "[[[[[[[[[[[[[[[[[[[[[[[[ {"a." * 40}a {"9" * 50}"
    lines = '''
    {"[" * 40} \"\"\" '''
    sha256 = "{"9" * 64}"
    pi = 3.{"141592653" * 10}
    binary = 0b{"0" * 63}1
    largest = 9_223_372_036_854_775_807
    endless = [inf, -inf]
    """
    values = parse_toml(text, "a test")
    assert values["largest"] == 2**63 - 1
    assert values["binary"] == 1
    assert values["endless"] == [float("inf"), float("-inf")]


def test_a_byte_order_mark_is_no_fault(tmp_path):
    path = tmp_path / "notepad.toml"
    path.write_bytes(b"\xef\xbb\xbfname = 'marked'\r\n")
    assert load_matrix(path).name == "marked"


@pytest.mark.parametrize("eps", ["1e999999999", "1e400", "1/0", "", "x", "0x10", "1" * 5_000, "1/" + "9" * 5_000])
def test_a_radius_is_bounded_before_it_is_computed(eps):
    with pytest.raises(ConfigError, match="a number or a fraction"):
        parse_eps(eps)


def test_radii_of_a_matrix_are_bounded(tmp_path):
    path = tmp_path / "matrix.toml"
    path.write_text('[[attack]]\nfamily = "pgd"\neps = ["1e999999999"]\n')
    with pytest.raises(ConfigError, match="a number or a fraction"):
        attacks_of(load_matrix(path))


def test_a_message_names_the_first_problems_and_counts_the_rest(tmp_path):
    path = tmp_path / "matrix.toml"
    path.write_text("".join(f"k{number} = 1\n" for number in range(10_000)))
    with pytest.raises(ConfigError, match=r"and 9,992 more") as caught:
        load_matrix(path)
    assert len(str(caught.value)) < 5_000


@pytest.mark.parametrize("value", ["[" * 1_000, "{a=" * 1_000, "9" * 5_000, "1e999999999", "9" * 30])
def test_values_on_the_command_line_are_bounded_too(value):
    with pytest.raises(ConfigError):
        parse_config((f"key={value}",))


@pytest.mark.parametrize(
    ("text", "value"), [("3", 3), ("[1, 2]", [1, 2]), ("inf", float("inf")), ("l2", "l2"), ("", "")]
)
def test_values_on_the_command_line_are_toml_or_text(text, value):
    assert parse_config((f"key={text}",)) == {"key": value}


@pytest.mark.parametrize("value", ["true", '"3"'])
def test_a_number_that_is_none_is_refused(value):
    text = f'libraries = ["native"]\n[[attack]]\nfamily = "pgd"\neps = [0.1]\nparameters = {{ steps = {value} }}'
    with pytest.raises(ConfigError, match="steps is a number, got"):
        attacks_of(parse_matrix(text))
