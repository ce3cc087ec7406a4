"""Texts of clusters, AWS and files are escaped in the terminal; files cost no more than their size."""

import io
import json
import logging
from pathlib import Path

import pytest
from tests.security.memory import peak_mib

from dynconfig import logs
from dynconfig.cli import kubectl_yaml, options, yaml_text
from dynconfig.cli.terminal import Terminal
from dynconfig.kube import kubeconfig
from dynconfig.settings import Settings

EVIL = "\x1b[2J\x1b]0;title\x07\x9b31m\rfake\x7f\u202e\u2066\u200b\u2028\U000e0001"
PEAK_MIB = 150


def shown(*, is_coloured: bool) -> str:
    """What each way of printing sends to the terminal."""
    stream = io.StringIO()
    terminal = Terminal(stream, is_coloured, 80)
    terminal.line(f"{terminal.styled(f'object {EVIL}', 'bold')} {EVIL}", "red")
    terminal.wrapped(EVIL, "red")
    terminal.failure(EVIL)
    terminal.table([EVIL], [[EVIL]], ["green"])
    return stream.getvalue()


def test_control_characters_are_escaped() -> None:
    text = shown(is_coloured=False)
    assert all(character.isprintable() or character == "\n" for character in text)
    assert r"\x1b[2J" in text


def test_only_escape_sequences_are_our_own_colours() -> None:
    text = shown(is_coloured=True)
    for own in ("\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[32m"):
        assert own in text
        text = text.replace(own, "")
    assert all(character.isprintable() or character == "\n" for character in text)


def test_json_output_escapes_what_json_allows(capsys: pytest.CaptureFixture[str]) -> None:
    options.print_json({"message": EVIL})
    written = capsys.readouterr().out
    assert all(character.isprintable() or character == "\n" for character in written)
    assert json.loads(written) == {"message": EVIL}


@pytest.mark.parametrize("text", [EVIL, f"two\nlines {EVIL}", f"{'long ' * 40}{EVIL}"])
def test_yaml_output_escapes_what_is_not_printable(text: str) -> None:
    written = yaml_text.readable({text: [text]})
    assert all(character.isprintable() or character == "\n" for character in written)
    ((document, _node),) = kubectl_yaml.documents(written)
    assert document == {text: [text]}


@pytest.mark.parametrize(("logger", "level"), [("dynconfig.x", logging.INFO), ("a.library", logging.WARNING)])
def test_log_line_contains_no_control_characters(logger: str, level: int) -> None:
    handler = logs.handler(Settings())
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(stream := io.StringIO())
    handler.handle(logging.LogRecord(logger, level, "x", 1, "AWS error %s", (EVIL,), None))
    assert r"\x1b[2J" in stream.getvalue()
    assert all(character.isprintable() or character == "\n" for character in stream.getvalue())


LAUGHS = "\n".join(
    [
        *("apiVersion: dynconfig.dev/v1alpha1", "kind: DynamicConfig", "metadata: {name: a}", "spec:"),
        *("  path: /a", "  parameters:", "  - name: p", "    value: '1'", "    schema:", "      type: json"),
        "      jsonSchema:",
        "        a0: &a0 {enum: [1, 2, 3, 4, 5, 6, 7, 8, 9]}",
        *(f"        a{n}: &a{n} {{allOf: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 8)),
    ]
)


def test_aliases_cannot_expand_beyond_the_size_of_a_manifest(tmp_path: Path) -> None:
    (tmp_path / "laughs.yaml").write_text(LAUGHS)
    work = """
from pathlib import Path
from dynconfig.cli import files
from dynconfig.validation.declare import faults
found = files.scan([Path(task)], "default")
result = [str(fault) for fault in found.faults] + [f for d in found.configs for f in faults(d, lambda source: None)]
"""
    peak, found = peak_mib(work, str(tmp_path / "laughs.yaml"), seconds=20)
    assert len(found) == 1
    assert "aliases expand to too much" in found[0]
    assert peak <= PEAK_MIB


def test_common_aliases_are_accepted() -> None:
    text = "a: &a {x: 1, w: [1, 2]}\nb: *a\nc: {<<: *a, z: 3}\n"
    ((document, _node),) = kubectl_yaml.documents(text)
    assert document == {"a": {"x": 1, "w": [1, 2]}, "b": {"x": 1, "w": [1, 2]}, "c": {"x": 1, "w": [1, 2], "z": 3}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("clusters: [" + "[]," * 7_000_000 + "]", "is larger than 8 MiB"),
        ("clusters: [" + "[]," * 2_000_000 + "]", "has more than 100,000 nodes"),
        (
            "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
            + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)),
            "aliases expand to too much",
        ),
        ("[" * 100_000, "nested more than"),
    ],
    ids=["20 MB", "parts", "aliases", "deep"],
)
def test_kubeconfig_is_parsed_with_limits(
    text: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text(text)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    with pytest.raises(kubeconfig.BadKubeconfig, match=expected):
        kubeconfig.current()
