"""Who may ask the gateway for what, and who pays: keys, limits, channels, prepaid dollars.

caller      who asks, as far as a request tells it
sign_in     EIP-4361: a wallet's signature says who its owner is
keys        API keys in the database
limits      requests and tokens a minute
page        the rows of some owners, locked and changed in one transaction
books       a job's money: reserved when it is admitted, settled when it is answered
channels    what owners' channels pay on a day, as the chain says
collector   vouchers to the chain, before their day is over
payments    x402: dollars for who has no channel
accounts    the whole of it, as the routes use it
"""
