-- What a sign-in writes, in fewer pages. SQLite keeps a table by its key instead of a number of its own
-- where the key is all that anybody looks for.

CREATE TABLE lean_attempts (
    state_digest {{bytes}} NOT NULL PRIMARY KEY,
    provider TEXT NOT NULL,
    nonce TEXT NOT NULL,
    verifier TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    next TEXT,
    browser_digest {{bytes}} NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    link_session TEXT,
    reauthenticates BIGINT NOT NULL DEFAULT 0
){{by_key}};
INSERT INTO lean_attempts
    SELECT state_digest, provider, nonce, verifier, redirect_uri, next, browser_digest,
        created_at, expires_at, link_session, reauthenticates
    FROM login_attempts;
DROP TABLE login_attempts;
-- They do not live long, so those that are too old are found without an index.
ALTER TABLE lean_attempts RENAME TO login_attempts;

-- Many providers do not name their sessions.
DROP INDEX sessions_provider_session;
CREATE INDEX sessions_provider_session ON sessions (provider, provider_session)
    WHERE provider_session IS NOT NULL;
DROP INDEX grants_provider_session;
CREATE INDEX grants_provider_session ON grants (issuer, provider_session)
    WHERE provider_session IS NOT NULL;
