"""What `bench.inbound` loads a server with: signed mail in threads, its DNS, and who hands it in."""
