"""The edge: codecs (JSON frames, REST) over one inner interface to the exchange.

    auth      tokens and the secret
    limits    rate limit
    rules     what an order must satisfy before it is handed over
    orders    order ids, tracked orders, accounts
    requests  requests on their way: limits, answers, timeouts
    accounts  requests about margin, money and the rules of a market
    entry     the inner interface: place, amend, cancel, look up
    events    released records to tracked orders and those who hear of them
    answers   released records to requests
    notices   what records tell of funding, liquidation and marks; histories
    market_rows  the same for the public, as rows
    pushes    account pushes
    guards    cancels when a connection ends or a dead-man timer runs out
    recovery  what the gateway takes over from the log
    codec     bytes <-> checked values; the only home of JSON
    sessions  connections of all users: caps, heartbeats, expiry, flushing
    ws        the private WebSocket: life of a connection
    frames    what each of its frames does
    rest      the REST routes, with rest_orders, rest_account, rest_admin and forms
    app       the aiohttp application and its server
    handoff   moves an accepted connection to another event loop
    metrics   Prometheus text

Imports rsx.core, rsx.records and rsx.errors, never a tile: rsx/tiles/gateway.py puts these parts
together and feeds them with released records. Source: specs/wire.md.
"""
