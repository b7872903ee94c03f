"""What a token holder does on chain: previews, checks, steps, and the commands for them.

An action reads the chain and returns a plan; `run` shows it, rehearses it, asks, and sends it.
The same commands serve `assay wallet` (a keystore signs) and `ape run wallet` (Ape's account).
"""
