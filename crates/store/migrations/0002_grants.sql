-- Grants: what an identity provider gave us in the name of a user.
--
-- The tokens are sealed by the caller, each for its table, column and row. A grant outlives the
-- browser session that it began with, because a server that still runs may need it, so session_id
-- refers to nothing; the other way round, a session may outlive its grant.
CREATE TABLE grants (
    id {{identity}},
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    session_id TEXT,
    provider TEXT NOT NULL,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    -- The provider's own session: `sid` of OpenID Connect.
    provider_session TEXT,
    client_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    scope TEXT NOT NULL,
    access_token {{bytes}},
    refresh_token {{bytes}},
    id_token {{bytes}},
    access_expires_at BIGINT,
    refresh_expires_at BIGINT,
    rights_hash TEXT,
    -- Grows with every change of the tokens, except when only their seal changes.
    version BIGINT NOT NULL,
    lease_owner TEXT,
    lease_until BIGINT,
    state TEXT NOT NULL,
    failures BIGINT NOT NULL,
    next_try_at BIGINT,
    last_outcome TEXT,
    refreshed_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX grants_login ON grants (user_id, provider) WHERE kind = 'login';
CREATE INDEX grants_user ON grants (user_id);
CREATE INDEX grants_subject ON grants (issuer, subject);
CREATE INDEX grants_provider_session ON grants (issuer, provider_session);
CREATE INDEX grants_expiry ON grants (access_expires_at);

ALTER TABLE sessions ADD COLUMN provider_session TEXT;
ALTER TABLE sessions ADD COLUMN grant_id BIGINT REFERENCES grants (id) ON DELETE SET NULL;
CREATE INDEX sessions_provider_session ON sessions (provider, provider_session);
CREATE INDEX sessions_grant ON sessions (grant_id);

-- What other processes must know of, in the order of its commits, see src/changes.rs.
CREATE TABLE changes (
    seq BIGINT NOT NULL PRIMARY KEY,
    topic TEXT NOT NULL,
    key TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX changes_at ON changes (at);

-- One row, whose lock gives the changes their order.
CREATE TABLE change_counter (
    id BIGINT NOT NULL PRIMARY KEY,
    last_seq BIGINT NOT NULL
);
INSERT INTO change_counter (id, last_seq) VALUES (1, 0);

CREATE TABLE logout_tokens_seen (
    jti_digest {{bytes}} NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX logout_tokens_seen_expiry ON logout_tokens_seen (expires_at);
