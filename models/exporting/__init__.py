"""Networks as files for other programs: one format per file, each checked against the original.

``formats`` lists them, ``format`` says what one is, ``exporting`` writes and checks.
"""
