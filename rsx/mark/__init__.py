"""Index and mark prices: sources, the median over them, the basis of the own book.

    walk.py, bars.py     what the exchange makes itself
    venues.py            the messages of other exchanges; connector.py: the connections
    index.py             fresh, checked, cut, median, limited
    basis.py             the averaged distance of the own book
    pricing.py           all of it for every symbol, at any time that is given

Integers only (INV-27). No clock, no chance, no file once started: time is an argument, so a test
pulls the prices of any simulated time. Only connector.py knows sockets. Source: specs/mark.md.
"""
