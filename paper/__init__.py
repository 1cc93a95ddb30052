"""The replication of Chavlis & Poirazi, Nat Commun 2025;16:943: a client of `study`."""
