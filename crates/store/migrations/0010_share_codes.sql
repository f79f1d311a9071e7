-- Links with which the owner of a server shares it with whoever opens them; only a digest is kept.
CREATE TABLE share_codes (
    id {{identity}},
    server_id BIGINT NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
    digest {{bytes}} NOT NULL,
    scopes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    exchange_count BIGINT NOT NULL DEFAULT 0,
    last_exchanged_at BIGINT
);
CREATE UNIQUE INDEX share_codes_digest ON share_codes (digest);
CREATE INDEX share_codes_of_server ON share_codes (server_id);
CREATE INDEX share_codes_expiry ON share_codes (expires_at);
