"""The chain: compiling and deploying contracts, typed clients, the sender, the event reader.

The only package that sends transactions.
"""
