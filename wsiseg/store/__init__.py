"""What a run writes: OME-Zarr masks and images, journals for resuming, locks, manifests."""
