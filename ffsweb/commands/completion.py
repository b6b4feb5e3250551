"""``ffs completion``: what a shell needs to complete commands and options."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Final

from ffsweb.commands import certificates, deploying, lists, logs, node, preparing, service
from ffsweb.commands.arguments import Parser
from ffsweb.commands.errors import USAGE
from ffsweb.commands.showing import tell

PARSERS: Final[dict[str, Callable[[], Parser]]] = {
    "nodes": lists.nodes_parser,
    "node": node.node_parser,
    "services": lists.services_parser,
    "service": service.service_parser,
    "operations": lists.operations_parser,
    "logs": logs.logs_parser,
    "prepare": preparing.prepare_parser,
    "deploy": deploying.deploy_parser,
    "rollback": deploying.rollback_parser,
    "cert": certificates.cert_parser,
}
SHELLS: Final = ("bash", "zsh", "fish")


def completion(arguments: list[str]) -> int:
    """Put out the script for one shell: ``ffs completion bash > /etc/bash_completion.d/ffs``."""
    if len(arguments) != 1 or arguments[0] not in SHELLS:
        tell(f"usage: ffs completion {'|'.join(SHELLS)}")
        return USAGE
    sys.stdout.write(_fish() if arguments[0] == "fish" else _bash(zsh=arguments[0] == "zsh"))
    return 0


def words_of(parser: Parser) -> list[str]:
    """Its options, and the words that may stand for a positional argument."""
    found: list[str] = []
    for action in parser._actions:
        if action.help is not argparse.SUPPRESS:
            found += action.option_strings or [str(choice) for choice in action.choices or ()]
    return found


def _bash(*, zsh: bool) -> str:
    cases = "\n".join(f'    {name}) words="{" ".join(words_of(make()))}" ;;' for name, make in PARSERS.items())
    head = "autoload -U +X bashcompinit && bashcompinit\n" if zsh else ""
    return f"""{head}_ffs() {{
  local words=""
  case "${{COMP_WORDS[1]}}" in
{cases}
  esac
  [ "$COMP_CWORD" -gt 1 ] || words="{" ".join((*PARSERS, "completion"))}"
  COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -F _ffs ffs
"""


def _fish() -> str:
    lines = [f"complete -c ffs -f -n __fish_use_subcommand -a '{' '.join((*PARSERS, 'completion'))}'"]
    for name, make in PARSERS.items():
        for word in words_of(make()):
            seen = f"-n '__fish_seen_subcommand_from {name}'"
            dashes = len(word) - len(word.lstrip("-"))
            lines.append(f"complete -c ffs {seen} {('-a', '-s', '-l')[dashes]} {word[dashes:]}")
    return "\n".join(lines) + "\n"
