"""Templates: what mail says, written once, with places for what differs.

`records` and `versions` keep them, `engine` renders Liquid within limits,
`spintax` draws among alternatives, `markup` makes HTML of MJML and puts styles
into elements. All of it happens in a child with a budget (`tasks`), because a
template is a program that somebody else wrote; `rendering` asks that child.
"""
