"""The docks beside the canvas: segment, annotate, fine-tune, measure, throughput, legend."""
