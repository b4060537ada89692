"""Mail as the API speaks of it: `shapes` go out, `wishes` come in.

`outgoing` makes a message of a wish, `answering` one that is about another,
`composing` its octets and its letter; `sending` hands both to `accept`.
`showing` makes shapes of letters.
"""
