-- One text for both databases. Common types: TEXT, BIGINT (also 0/1 for booleans and microseconds
-- UTC for times), JSON as TEXT. What differs is written as a placeholder, see src/migrate.rs:
--   {{identity}}  a primary key that the database counts and never uses twice
--   {{bytes}}     a string of bytes
--   {{ordered}}   text that sorts byte by byte, whatever the locale of the database

CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE users (
    id {{identity}},
    name {{ordered}} NOT NULL UNIQUE,
    -- The name in lower case: SQLite's own LOWER knows ASCII only.
    name_folded TEXT NOT NULL,
    admin BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    last_activity_at BIGINT
);
CREATE INDEX users_admins ON users (id) WHERE admin = 1;

CREATE TABLE groups (
    id {{identity}},
    name {{ordered}} NOT NULL UNIQUE
);

CREATE TABLE group_members (
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    group_id BIGINT NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    PRIMARY KEY (user_id, group_id)
);
CREATE INDEX group_members_group ON group_members (group_id);

CREATE TABLE passwords (
    user_id BIGINT NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    hash TEXT NOT NULL,
    changed_at BIGINT NOT NULL
);

CREATE TABLE identities (
    id {{identity}},
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    provider TEXT NOT NULL,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_login_at BIGINT NOT NULL,
    UNIQUE (issuer, subject)
);
CREATE INDEX identities_user ON identities (user_id);

CREATE TABLE sessions (
    session_id TEXT NOT NULL PRIMARY KEY,
    digest {{bytes}} NOT NULL UNIQUE,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    provider TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE servers (
    id {{identity}},
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name {{ordered}} NOT NULL,
    display_name TEXT NOT NULL,
    state TEXT NOT NULL,
    -- The parts of a state that not every state has.
    start_id BIGINT,
    state_since BIGINT,
    url TEXT,
    reason TEXT,
    log_tail TEXT,
    handle TEXT,
    spawner TEXT NOT NULL,
    user_options TEXT NOT NULL,
    client_id TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    last_activity_at BIGINT,
    starts BIGINT NOT NULL,
    version BIGINT NOT NULL,
    UNIQUE (user_id, name)
);
CREATE INDEX servers_state ON servers (state);

CREATE TABLE tokens (
    id {{identity}},
    digest {{bytes}} NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    server_id BIGINT REFERENCES servers (id) ON DELETE CASCADE,
    client_id TEXT,
    session_id TEXT REFERENCES sessions (session_id) ON DELETE CASCADE,
    scopes TEXT NOT NULL,
    note TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    last_used_at BIGINT
);
CREATE INDEX tokens_user ON tokens (user_id);
CREATE INDEX tokens_server ON tokens (server_id);
CREATE INDEX tokens_client ON tokens (client_id);
CREATE INDEX tokens_session ON tokens (session_id);
CREATE INDEX tokens_expiry ON tokens (expires_at);

CREATE TABLE codes (
    digest {{bytes}} NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    session_id TEXT NOT NULL REFERENCES sessions (session_id) ON DELETE CASCADE,
    redirect_uri TEXT NOT NULL,
    scopes TEXT NOT NULL,
    challenge TEXT,
    challenge_method TEXT,
    expires_at BIGINT NOT NULL
);
CREATE INDEX codes_client ON codes (client_id);
CREATE INDEX codes_user ON codes (user_id);
CREATE INDEX codes_session ON codes (session_id);
CREATE INDEX codes_expiry ON codes (expires_at);

CREATE TABLE login_attempts (
    state_digest {{bytes}} NOT NULL PRIMARY KEY,
    provider TEXT NOT NULL,
    nonce TEXT NOT NULL,
    verifier TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    next TEXT,
    browser_digest {{bytes}} NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX login_attempts_expiry ON login_attempts (expires_at);

CREATE TABLE links (
    digest {{bytes}} NOT NULL PRIMARY KEY,
    purpose TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX links_expiry ON links (expires_at);
