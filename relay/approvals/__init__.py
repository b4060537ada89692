"""Mail that guards hold, and what becomes of it.

`decide` lets it go or takes it back, once; `question` is the mail that asks an
approver, `clerk` sends it, hears the answers that inbound has recorded, and
ends what nobody decided in time.
"""
