"""Building blocks of the networks: one family of blocks per file."""
