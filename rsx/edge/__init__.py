"""The edge: codecs (JSON frames, REST) over one inner interface to the exchange.

    auth      tokens and the secret
    limits    rate limit
    orders    order ids, tracked orders, accounts
    entry     the inner interface: place, cancel, query, deposit, look up
    codec     bytes <-> checked values; the only home of JSON
    sessions  connections of all users: caps, heartbeats, expiry, flushing
    ws        the private WebSocket
    rest      the REST routes
    app       the aiohttp application and its server
    handoff   moves an accepted connection to another event loop
    metrics   Prometheus text

Imports rsx.core, rsx.records and rsx.errors, never a tile: rsx/tiles/gateway.py puts these parts
together and feeds them with released records. Source: specs/wire.md.
"""
