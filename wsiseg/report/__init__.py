"""Pages that a person reads: what came of each slide, where it was slow, how to repeat it.

`runs` finds what lies in a folder, `sources`, `pictures` and `fields` make pictures of slide and
mask, `timing` and `charts` draw where the time went, `repeating` writes the command line, and
`pages` fills the templates.
"""
