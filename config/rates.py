"""How many wrong passwords are looked at, as allauth writes it: times/period/per.

config/accounts.py says which of them counts what; `key` is an account at a place. Imported by the
settings, so it imports nothing.
"""

OF_SIGN_IN = {
    # allauth's own would let anybody use up the attempts of all who share an address.
    "login": None,
    "password_on_device": "10/5m/key",
    "password_in_network": "10/m/ip,5/5m/key",
    # Of all networks together; beyond that one in each network.
    "password_anywhere": "20/h/key",
    "password_under_attack": "1/15m/key",
}
