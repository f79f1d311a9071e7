-- Tokens for other services that came along with a sign-in are grants of their own.
ALTER TABLE grants ADD COLUMN service TEXT;
CREATE UNIQUE INDEX grants_service ON grants (user_id, provider, service) WHERE kind = 'service';

-- The keys with which the hub signs tokens. The private half is sealed by the caller for its row.
CREATE TABLE issuer_keys (
    id {{identity}},
    -- Each key has the next number, so that two processes cannot both make it.
    number BIGINT NOT NULL UNIQUE,
    key_id TEXT NOT NULL UNIQUE,
    algorithm TEXT NOT NULL,
    private_key {{bytes}},
    public_jwk TEXT NOT NULL,
    signs_from BIGINT NOT NULL,
    signs_until BIGINT NOT NULL,
    published_until BIGINT NOT NULL
);
CREATE INDEX issuer_keys_end ON issuer_keys (published_until);

-- Tokens that were taken back before their end.
CREATE TABLE revoked_tokens (
    jti_digest {{bytes}} NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX revoked_tokens_expiry ON revoked_tokens (expires_at);

-- Command lines that wait for a person to allow them (RFC 8628).
CREATE TABLE device_requests (
    digest {{bytes}} NOT NULL PRIMARY KEY,
    user_code_digest {{bytes}} NOT NULL UNIQUE,
    client_id TEXT NOT NULL,
    audience TEXT NOT NULL,
    scope TEXT NOT NULL,
    challenge TEXT,
    state TEXT NOT NULL,
    user_id BIGINT REFERENCES users (id) ON DELETE CASCADE,
    -- Between two questions of the command line; grows with each that comes too soon.
    pause BIGINT NOT NULL,
    asked_at BIGINT,
    expires_at BIGINT NOT NULL
);
CREATE INDEX device_requests_user ON device_requests (user_id);
CREATE INDEX device_requests_expiry ON device_requests (expires_at);
