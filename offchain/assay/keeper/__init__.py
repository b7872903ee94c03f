"""The keeper: does what anyone may do and somebody has to, by a schedule."""
