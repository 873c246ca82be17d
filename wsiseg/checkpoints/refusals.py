"""Why an address gives nothing: refused, or not reached."""

from __future__ import annotations

from wsiseg.checkpoints.addresses import Address
from wsiseg.errors import CheckpointError

_CREDENTIALS = {
    "s3": "Give credentials as AWS's tools take them; FSSPEC_S3='{\"anon\": true}' reads what is "
    "public without any.",
    "hf": "Log in with 'hf auth login', and accept the terms on the repository's page if it has "
    "some.",
}


class UnreachableError(Exception):
    """The server is not reached, or is out of order: what was fetched before may do.

    Parameters
    ----------
    why : str
        The reason, without anything secret.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def translated(self, address: Address) -> CheckpointError:
        """Return it as an error for users."""
        return CheckpointError(
            f"the address cannot be reached: {self.why}",
            address,
            "Check the network; nothing usable was fetched from there before.",
        )

    def noted(self, address: Address, fetched: str) -> str:
        """Return a warning for users where a copy from before is used.

        Parameters
        ----------
        address : Address
            The address.
        fetched : str
            When that was: ``"of 2026-10-01"``, or nothing.
        """
        copy = f"the cached copy {fetched}".rstrip()
        return f"{address} cannot be reached ({self.why}); {copy} is used"


def refuse_status(status: int, address: Address) -> CheckpointError | UnreachableError:
    """Return the error for a server's answer.

    Parameters
    ----------
    status : int
        Of HTTP, 400 or above.
    address : Address
        What was asked for.
    """
    if status in (404, 410):
        return CheckpointError("there is no checkpoint at this address", address, "Check it.")
    if status in (401, 403, 407):
        hint = _CREDENTIALS.get(address.scheme, "The address may have expired, or need a login.")
        return CheckpointError(f"the server refuses access ({status})", address, hint)
    if status >= 500 or status in (408, 429):
        return UnreachableError(f"the server answers {status}")
    return CheckpointError(f"the server answers {status}", address, "Check the address.")
