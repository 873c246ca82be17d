"""Post-processing of masks, exact however large they are: rows in, rows out.

In the order in which pixels travel:

1. `options`: the settings; `keywords` are the same for type checkers.
2. `refinement`: the settings in pixels and labels of one mask, and the steps one after the other.
3. `thresholds`, `smoothing`, `holes`, `absorbing`: a step each.
4. `small_areas`: areas that are followed from strip to strip until it is known that they are small,
   or are not; `editing` changes the rows that wait for them.
5. `spooling`: rows between two steps, which may be read again.
6. `refining`: a mask that stands, refined to a new one.
"""
