"""Attributes by which stores that this package wrote are known again."""

OURS = "wsiseg"
"""Key of what stands beside ``ome`` in the attributes of such a store."""

HOLDS = "holds"
"""Under it, what a store beside a mask holds in its place: ``uncertainty``, say."""
