"""What stands beside the picture: segment, annotate, fine-tune, measure."""
