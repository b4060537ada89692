"""Posthouse: everything that sends mail, and what all parts stand on.

The rooms in the order in which a message walks through them:

- `submission`: a message comes in to be sent; `accept` is the only way in.
- `policy`: may this sender send, how much, and when.
- `suppressions`: addresses that are not to be written to.
- `tracking`: what its recipients open and follow, and how they leave.
- `lists`: who may be written to, and who may write here.
- `drafts`: mail that is being written.
- `guards`: what guarded inboxes have done so far, and what waits for a person's word.
- `approvals`: what becomes of mail that waits for it.
- `spool`: the mail itself, as it is kept.
- `queue`: what waits, and in which state.
- `dispatch`: claims what is due, has it tried, writes down what became of it.
- `signing`: DKIM keys and signatures.
- `delivery`: one attempt at one destination; knows no database.
- `events`: what happened, in order; the log that everybody else reads.
- `analytics`: what happened, counted by hour and day; mailboxes judged by their rates.
- `webhooks`: events posted to endpoints of others, signed, until they are taken.

Whose it is, and what it stands on:

- `tenants`: tenants, domains, mailboxes, credentials, API keys.
- `estate`: what a tenant owns, as the command line and the API both change it.
- `message`: bytes and headers, without any input or output.
- `store`: one database contract, SQLite inside or PostgreSQL beside.
- `smtp_server`, `resolver`, `systemd`: how we speak SMTP, DNS and to the service manager.
- `verification`: are a domain's records really in the DNS.
- `config`, `telemetry`, `address`, `replies`, `ids`, `clock`, `errors`: the foundations.
- `failpoints`: places at which a test can have the process killed; off otherwise.

Around it all: `station` opens what every door needs, `daemon` puts the doors
around a station, `control` lets commands reach a running one, `doctor` says
what is wrong, `quickstart` sets a machine up, `cli` is the command line.
Mail that arrives is `inbound`; HTTP is `api`.
"""
