"""Pictures in, pictures of their labels out: street scenes, fields of view, frames of a video.

1. `options`: the settings; `keywords` are the same for type checkers.
2. `predicting`: the pictures one after the other, on the way that slides go.
3. `drawing`: labels and overlay, as files.
"""
