"""`assay demo`: a whole network on this machine, an honest answer paid, a lie convicted.

Orchestration only: chain, services and HTTP are the real ones, in processes of their own.
"""
