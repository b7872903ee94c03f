"""Reference model of the token economy, in exact integers, written from the design's text.

`world.World` holds one of everything on one clock. Each part has the contract's functions by
name, and refuses what the contract refuses (`Refused`). Where the contract packs, rolls lazily or
keeps two days of something, the model keeps the whole history; so what they have in common is
the arithmetic: which rounding, of what, in which direction.

A refused call leaves the model as it was.
"""
