-- The broker: how the agent beside a server comes in, and what was done with tokens.

-- What an agent begins with. It works once; used ones are kept as long as their server runs, so
-- that a second use is noticed.
CREATE TABLE agent_tickets (
    digest {{bytes}} NOT NULL PRIMARY KEY,
    server_id BIGINT NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    start_id BIGINT NOT NULL,
    -- NULL as long as the process of the server has not begun.
    expires_at BIGINT,
    used_at BIGINT,
    -- What the session will be frozen by, because it happened before there was one.
    frozen_reason TEXT,
    created_at BIGINT NOT NULL
);
CREATE INDEX agent_tickets_server ON agent_tickets (server_id);
CREATE INDEX agent_tickets_user ON agent_tickets (user_id);

-- An agent that came in, bound to the key that it made.
CREATE TABLE agent_sessions (
    id {{identity}},
    digest {{bytes}} NOT NULL UNIQUE,
    server_id BIGINT NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    start_id BIGINT NOT NULL,
    key_thumbprint TEXT NOT NULL,
    frozen_reason TEXT,
    frozen_at BIGINT,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX agent_sessions_server ON agent_sessions (server_id);
CREATE INDEX agent_sessions_user ON agent_sessions (user_id);

-- The audit trail. Rows are only ever added; each holds the hash of the one before it. The names
-- stay what they were when it happened, and user_id refers to nothing, because users go.
CREATE TABLE audit_events (
    seq BIGINT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    event TEXT NOT NULL,
    actor TEXT NOT NULL,
    user_id BIGINT,
    user_name TEXT NOT NULL,
    server TEXT NOT NULL,
    outcome TEXT NOT NULL,
    detail TEXT NOT NULL,
    previous {{bytes}} NOT NULL,
    hash {{bytes}} NOT NULL
);
CREATE INDEX audit_events_user ON audit_events (user_id, seq);

-- One row, whose lock gives the events their order, and which knows the last one.
CREATE TABLE audit_head (
    id BIGINT NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL,
    hash {{bytes}} NOT NULL
);
