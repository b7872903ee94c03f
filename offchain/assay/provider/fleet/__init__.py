"""Engines on other machines: workers that join and leave while jobs run.

An answer is a pure function of model, prompt and seed, so what a lost worker has begun another one
goes on with, to the same token.
"""
