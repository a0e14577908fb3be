"""``job-engine open``"""

from job_engine.cli.options.shared import command, connecting
from job_engine.cli.screen import say
from job_engine.client import Client


@command("open")
@connecting
def open(client: Client) -> None:  # noqa: A001 - the name of the command
    """Print a new link that signs a browser in as you; it works once, within some minutes."""
    say(f"{client.url}/sign-in?token={client.sign_in_token()}")
