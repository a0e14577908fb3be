"""``job-engine reconcile``"""

from job_engine.cli.commands.queue import print_repairs
from job_engine.cli.options.shared import command, connecting, json_option, option
from job_engine.cli.screen import print_json, say
from job_engine.client import Client


@command("reconcile")
@option("--dry-run", envvar="JOB_ENGINE_RECONCILE_DRY_RUN", is_flag=True, help="Only say what would be repaired.")
@json_option
@connecting
def reconcile(client: Client, dry_run: bool, as_json: bool) -> None:
    """Repair what differs between the queue in ZooKeeper and the record.

    The server does so by itself whenever something changes; this is for a look, and for the impatient.
    """
    repairs = client.reconcile(dry_run=dry_run)
    if as_json:
        print_json(repairs)
    elif repairs:
        print_repairs(repairs)
    else:
        say("queue and record agree")
