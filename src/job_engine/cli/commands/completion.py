"""``job-engine completion``"""

from typing import Final

import click
from click.shell_completion import get_completion_class

from job_engine.cli.group import group
from job_engine.cli.options.shared import command
from job_engine.cli.screen import say

_OFFER: Final = "COMPREPLY+=($value)"
_NO_SPACE: Final = "\n            [[ $value == *= ]] && compopt -o nospace"
"""For bash: a space after ``name=`` would end the word before its value."""


@command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    \b
    bash: eval "$(job-engine completion bash)"      in ~/.bashrc
    zsh:  eval "$(job-engine completion zsh)"       in ~/.zshrc
    fish: job-engine completion fish | source       in ~/.config/fish/config.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None, shell
    # Of bash, click would run the one on the PATH to look at its version; whoever evaluates this has one.
    complete = kind(group, {}, "job-engine", "_JOB_ENGINE_COMPLETE")
    template = complete.source_template.replace(_OFFER, _OFFER + _NO_SPACE)
    say(template % complete.source_vars())
