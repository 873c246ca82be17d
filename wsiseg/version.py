"""The version that is installed: that of the git tag, see ``CONTRIBUTING.md``."""

from importlib.metadata import version

__version__ = version("wsiseg")
