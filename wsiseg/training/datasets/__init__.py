"""Pictures or slides with their labels: the public sets, folders, and a user's own slides."""
