"""Letters: messages as a mailbox keeps and shows them, in their threads.

A letter is what reading a message gave; the message's octets stay with
`relay.spool`. `records` are the letters, `related` finds those that a message
has to do with, `texts` are what they say, `search` the words in them, `labels`
what people stick on them, `threads` the conversations.
"""
