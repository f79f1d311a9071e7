-- What people see and decide about their own sign-ins, and what follows when a provider's rules
-- change their mind.

-- The browser session that links another identity; empty for a plain sign-in. It refers to nothing:
-- when the session has ended meanwhile, the answer of the provider is refused.
ALTER TABLE login_attempts ADD COLUMN link_session TEXT;

-- What the browser called itself, so that people recognize their own.
ALTER TABLE sessions ADD COLUMN browser TEXT;

-- When the claims of the grant were last asked for to follow rights; the sign-in read them, too.
ALTER TABLE grants ADD COLUMN rights_asked_at BIGINT;

-- Through which provider the user signed in last, and the one whose word groups and the admin flag
-- follow: the last of those that say anything about them.
ALTER TABLE users ADD COLUMN last_provider TEXT;
ALTER TABLE users ADD COLUMN rights_provider TEXT;

-- Users whom the rules of their provider no longer let in, until a rule lets them in again.
CREATE TABLE exclusions (
    user_id BIGINT NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    provider TEXT NOT NULL,
    since BIGINT NOT NULL,
    -- When their servers are stopped and their sessions end; empty when that is done or not wanted.
    ends_at BIGINT
);
CREATE INDEX exclusions_end ON exclusions (ends_at);
