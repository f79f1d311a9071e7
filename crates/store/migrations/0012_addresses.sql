-- The network addresses of the audit trail. They are about people and are kept for a time only, so they
-- are no part of what the chain of hashes covers; the event holds a salted hash of its address.
CREATE TABLE audit_addresses (
    seq BIGINT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    salt TEXT NOT NULL,
    address TEXT NOT NULL
);
CREATE INDEX audit_addresses_at ON audit_addresses (at);
