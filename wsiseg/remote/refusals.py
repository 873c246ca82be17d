"""What servers and the network answer, as errors of ours in one line.

The texts of libraries quote whole requests and answers, signatures among them; none is handed on.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

from wsiseg.errors import AddressError, RuntimeUnavailableError, WsisegError
from wsiseg.remote.addresses import mask

_STATUS = re.compile(r"status code: (\d{3})|\b(\d{3}), message=")
_CODE = re.compile(r"<Code>(\w{1,60})</Code>")
_CONDITIONS = ("AlreadyExistsError", "PreconditionError", "NotSupportedError")

_HINTS = {
    "s3": "Give credentials by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or by AWS_PROFILE; "
    "FSSPEC_S3='{\"anon\": true}' reads what is public without any.",
    "gs": "Give credentials by GOOGLE_APPLICATION_CREDENTIALS.",
    "az": "Give AZURE_STORAGE_ACCOUNT_NAME, and AZURE_STORAGE_ACCOUNT_KEY or another credential.",
}
_AGAIN = "Check the network, and go on with `resume` if a run was interrupted."


class UnreachedError(AddressError):
    """The server is not reached, or is out of order: what was fetched before may do."""


@contextmanager
def translate_refusals(url: str, kind: str) -> Iterator[None]:
    """Turn what a library raises over an address into :class:`AddressError`.

    What is not there stays a :class:`FileNotFoundError`, and so do conditions that do not hold.

    Parameters
    ----------
    url : str
        The address.
    kind : str
        ``s3``, ``gs``, ``az`` or the scheme.

    Raises
    ------
    AddressError
        If there is no such bucket, access is refused, or the server is not reached.
    RuntimeUnavailableError
        If what reads the address is not installed.
    """
    try:
        yield
    except WsisegError:
        raise
    except ImportError as error:
        raise missing_library(url, error) from error
    except Exception as error:
        if type(error).__name__ in _CONDITIONS or isinstance(error, TypeError):
            raise
        raise _translate(error, url, kind) from None


def missing_library(url: str, error: ImportError) -> RuntimeUnavailableError:
    """Return the error for an address that nothing here reads.

    Parameters
    ----------
    url : str
        The address.
    error : ImportError
        Names what is missing.
    """
    name = error.name or str(error).splitlines()[0]
    return RuntimeUnavailableError(
        f"the package that reads such addresses is not installed: {name}",
        mask(url),
        "Install it with: pip install 'wsiseg[remote]'",
    )


def _translate(error: Exception, url: str, kind: str) -> Exception:
    # fsspec says of whatever https answers that there is no such file.
    cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
    text, where, name = str(cause), mask(url), type(cause).__name__
    code = found[1] if (found := _CODE.search(text)) else ""
    if code == "NoSuchBucket" or "ContainerNotFound" in text:
        bucket = "/".join(url.split("/")[:3])
        return AddressError(f"there is no such bucket: {bucket}", where, "Check its name.")
    status = int(found[1] or found[2]) if (found := _STATUS.search(text)) else 0
    told = getattr(cause, "status", 0)
    status = status or (told if isinstance(told, int) and told >= 300 else 0)
    if isinstance(cause, FileNotFoundError) or status in (404, 410):
        return FileNotFoundError(errno.ENOENT, "there is no such file", where)
    if name in ("PermissionDeniedError", "UnauthenticatedError") or status in (401, 403, 407):
        said = code or status or "no valid credentials"
        hint = _HINTS.get(kind, "The address may have expired, or need a login.")
        return AddressError(f"access is refused ({said})", where, hint)
    if "169.254.169.254" in text or "metadata.google" in text or name == "NoCredentialsError":
        return AddressError("no credentials are found", where, _HINTS.get(kind))
    if "BucketRegionError" in text or status in (301, 307):
        return AddressError(
            "the bucket lies in another region", where, "Name it by AWS_DEFAULT_REGION."
        )
    if status:
        what = f"the server answers {status}" + (f" ({code})" if code else "")
        out_of_order = status >= 500 or status in (408, 429)
        return (UnreachedError if out_of_order else AddressError)(what, where, _AGAIN)
    if isinstance(cause, ValueError) or name == "UnknownConfigurationKeyError":
        return AddressError("the address, or what is configured for it, is invalid", where)
    return UnreachedError(f"the server is not reached: {_why(text)}", where, _AGAIN)


def _why(text: str) -> str:
    # What obstore tells of its settings has the word, too.
    lowered = text.replace("retry_timeout", "").lower()
    for sign, why in (
        ("refused", "the connection is refused"),
        ("dns", "its name is unknown"),
        ("not known", "its name is unknown"),
        ("certificate", "its certificate is not trusted"),
        ("timed out", "it does not answer in time"),
        ("timeout", "it does not answer in time"),
        ("connect", "no connection can be made"),
    ):
        if sign in lowered:
            return why
    return "the connection broke off"
