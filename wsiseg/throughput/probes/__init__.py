"""What hardware tells of its power: one file per kind of hardware.

``registry`` lists the probes, ``probe`` says what one is, ``power_meter`` reads them during a run.
Where the hardware tells nothing there is no figure, never an estimate.
"""
