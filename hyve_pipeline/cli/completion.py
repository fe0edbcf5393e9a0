"""``hyve completion``: lets a shell complete commands, options, syncs and plans. The shell calls ``hyve`` for that."""

import click

from hyve_pipeline.cli.options import Choice

# How click is asked to complete; its scripts set it.
_VARIABLE = "_HYVE_COMPLETE"


@click.command()
@click.argument("shell", type=Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that lets a shell complete commands, options, names of syncs and ids of plans.

    bash: put it into ~/.local/share/bash-completion/completions/hyve, or into your ~/.bashrc:
    eval "$(hyve completion bash)". zsh: put it as _hyve into a folder of $fpath, or into your ~/.zshrc after compinit:
    eval "$(hyve completion zsh)". fish: put it into ~/.config/fish/completions/hyve.fish.
    """
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    if made is None:
        raise click.UsageError(f"click has no completion for {shell}")
    script = made(context.find_root().command, {}, "hyve", _VARIABLE)
    # Not `source()`, which for bash runs bash to check its version: a package may be built where there is none.
    click.echo((script.source_template % script.source_vars()).rstrip())
