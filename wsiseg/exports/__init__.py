"""What is made of masks: measurements, and files for other programs."""
