"""The table of commands: what `hyve help`, the man page and shell completion show without importing any of them."""

from typing import Literal, NamedTuple

Section = Literal["Set up", "Plan", "Apply", "Look", "Mend"]

# In the order of the help, with what each is for.
SECTIONS: dict[Section, str] = {
    "Set up": "once, and when something does not work",
    "Plan": "what would be done; changes nothing",
    "Apply": "does what a plan says",
    "Look": "what was planned and done",
    "Mend": "after failures and mistakes",
}


class Entry(NamedTuple):
    """One command.

    Attributes:
        target: its module and function, as ``MODULE:FUNCTION``.
        summary: one line that says what it does.
        section: where the help lists it.
        examples: command lines, each with a comment after two spaces; shown by its help.
        is_query: it only prints what is known already, and its exit code does not depend on that. So it may end as
            soon as nobody reads its output.
        is_work: it does something, and what it prints on standard output is about that; ``--quiet`` silences it.
    """

    target: str
    summary: str
    section: Section
    examples: tuple[str, ...]
    is_query: bool = False
    is_work: bool = False


# In the order of the help: the commands of a section stand together.
COMMANDS: dict[str, Entry] = {
    "configure": Entry(
        "hyve_pipeline.cli.configure:configure",
        "Ask for keys, region and buckets, try them, and keep them.",
        "Set up",
        (
            "hyve configure",
            "hyve configure --in-bucket original --out-bucket backup --no-input",
        ),
        is_work=True,
    ),
    "config": Entry(
        "hyve_pipeline.cli.config:config",
        "Show what is configured, and where each value is from.",
        "Set up",
        ("hyve config", "hyve config check  # say all mistakes", "hyve config schema > hyve.schema.json"),
    ),
    "doctor": Entry(
        "hyve_pipeline.cli.doctor:doctor",
        "Check that a sync can work, and say what to fix.",
        "Set up",
        ("hyve doctor", "hyve doctor --write  # try to write into the store, too"),
    ),
    "iam-policy": Entry(
        "hyve_pipeline.cli.iam_policy:iam_policy",
        "Print the least AWS policy that each side needs.",
        "Set up",
        ("hyve iam-policy --side store > store-policy.json",),
        is_query=True,
    ),
    "completion": Entry(
        "hyve_pipeline.cli.completion:completion",
        "Print what lets a shell complete syncs and plans.",
        "Set up",
        ("hyve completion bash > ~/.local/share/bash-completion/completions/hyve",),
        is_query=True,
    ),
    "demo": Entry(
        "hyve_pipeline.cli.demo:demo",
        "Try all of it on an embedded S3 server with made-up images.",
        "Set up",
        ("hyve demo", "hyve demo --ui  # and see it in the web UI"),
    ),
    "dryrun": Entry(
        "hyve_pipeline.cli.dryrun:dryrun",
        "Compare the buckets and make a plan; change nothing.",
        "Plan",
        ("hyve dryrun", "hyve dryrun --sync images --json"),
        is_work=True,
    ),
    "adopt": Entry(
        "hyve_pipeline.cli.adopt:adopt",
        "Remember what is equal already, so that no plan copies it.",
        "Plan",
        ("hyve adopt", "hyve adopt --content  # read what ETags and checksums can't decide"),
        is_work=True,
    ),
    "copy": Entry(
        "hyve_pipeline.cli.apply:copy",
        "Copy what the plan lists as new and modified.",
        "Apply",
        ("hyve copy", "hyve copy --plan 000004  # the plan whose id begins so"),
        is_work=True,
    ),
    "sync": Entry(
        "hyve_pipeline.cli.apply:sync",
        "Dryrun, copy, delete and verify.",
        "Apply",
        ("hyve sync", "hyve sync --max-deletes 500 --json"),
        is_work=True,
    ),
    "delete": Entry(
        "hyve_pipeline.cli.apply:delete",
        "Delete what only the store has, after the plan's copies.",
        "Apply",
        ("hyve delete", "hyve delete --max-deletes 70%  # accept this plan, and only this one"),
        is_work=True,
    ),
    "work": Entry(
        "hyve_pipeline.cli.worker:work",
        "Do what is free of a plan, beside other machines.",
        "Apply",
        ("hyve work --until-done",),
        is_work=True,
    ),
    "follow": Entry(
        "hyve_pipeline.cli.follow:follow",
        "Copy what events of the source name, as they come.",
        "Apply",
        ("hyve follow", "hyve follow --once --json"),
        is_work=True,
    ),
    "restore": Entry(
        "hyve_pipeline.cli.restore:restore",
        "Ask for the restore of archived objects, to copy them later.",
        "Apply",
        ("hyve restore", "hyve restore --plan 000004 --json"),
        is_work=True,
    ),
    "help": Entry(
        "hyve_pipeline.cli.main:show_help",
        "Show the commands, or one of them.",
        "Look",
        ("hyve help copy", "hyve help --man > ~/.local/share/man/man1/hyve.1  # then: man hyve"),
        is_query=True,
    ),
    "plans": Entry(
        "hyve_pipeline.cli.plans:plans",
        "List the plans and the state of each.",
        "Look",
        ("hyve plans",),
        is_query=True,
    ),
    "show": Entry(
        "hyve_pipeline.cli.plans:show",
        "Show one plan in detail, the newest by default.",
        "Look",
        ("hyve show", "hyve show 000004 --failed", "hyve show --watch  # until nobody works at it any more"),
        is_query=True,
    ),
    "report": Entry(
        "hyve_pipeline.cli.report:report",
        "Write one plan as an HTML page with charts.",
        "Look",
        ("hyve report --open", "hyve report latest --output plan.html"),
    ),
    "metrics": Entry(
        "hyve_pipeline.cli.metrics:metrics",
        "Print figures of all syncs for Prometheus.",
        "Look",
        ("hyve metrics", "hyve metrics --output /var/lib/node_exporter/hyve.prom"),
    ),
    "verify": Entry(
        "hyve_pipeline.cli.verify:verify",
        "List the store again and compare it with the plan.",
        "Look",
        ("hyve verify", "hyve verify --content 5%  # compare content too, of one object in twenty"),
        is_work=True,
    ),
    "prove": Entry(
        "hyve_pipeline.cli.prove:prove",
        "Write a proof of what is equal, or check one.",
        "Look",
        (
            "hyve prove",
            "hyve prove --sign key.pem --output proof.json",
            "hyve prove --check proof.json",
            "hyve prove --check proof.json --buckets  # list both buckets again",
        ),
    ),
    "ui": Entry(
        "hyve_pipeline.cli.ui:ui",
        "Open the Dagster web UI for this configuration, on loopback.",
        "Look",
        ("hyve ui", "hyve ui --port 0 --no-browser", "hyve ui --metrics 9464  # for Prometheus, at /metrics"),
    ),
    "retry": Entry(
        "hyve_pipeline.cli.apply:retry",
        "Run again only the shards of a plan that did not finish.",
        "Mend",
        ("hyve retry", "hyve retry --plan 000004"),
        is_work=True,
    ),
    "undo": Entry(
        "hyve_pipeline.cli.undo:undo",
        "Put back what a plan overwrote or deleted.",
        "Mend",
        ("hyve undo latest", "hyve undo 000004", "hyve undo --since 000004"),
        is_work=True,
    ),
}
