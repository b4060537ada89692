"""Who really sent it: SPF, DKIM, DMARC and ARC, each with its own rules about doubt.

Trouble with the DNS is `temperror` and refuses nobody. `results` says what
comes out; `judge` asks all four, and is the place to begin. `spf` and `dmarc`
ask the DNS themselves. `dkim` and `arc` are pure: `signatures` is what runs of
them in the reading child, with keys that `public_key` fetched. `field` writes
what was found.
"""
