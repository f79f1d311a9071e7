-- Local accounts: links that make a password, second factors, and sign-ups that wait.

-- Whom a link is for; empty for the one that makes the first administrator.
ALTER TABLE links ADD COLUMN user_id BIGINT REFERENCES users (id) ON DELETE CASCADE;
CREATE INDEX links_user ON links (user_id);

CREATE TABLE second_factors (
    id {{identity}},
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- The browser that sets it up, empty once it counts: nobody else must see the secret that a
    -- person brings into their app.
    browser {{bytes}} UNIQUE,
    -- Sealed by the caller for this row.
    secret {{bytes}},
    created_at BIGINT NOT NULL,
    -- When a code showed that the person has the secret; it counts from then on.
    confirmed_at BIGINT,
    -- The time step of the last code that was taken: none is taken twice, nor an older one.
    last_step BIGINT NOT NULL,
    -- Wrong codes since the last right one, and when the next is looked at.
    failures BIGINT NOT NULL,
    next_try_at BIGINT
);
CREATE UNIQUE INDEX second_factors_user ON second_factors (user_id)
    WHERE confirmed_at IS NOT NULL;
CREATE INDEX second_factors_pending ON second_factors (user_id);

-- Each is deleted when it is used.
CREATE TABLE recovery_codes (
    factor_id BIGINT NOT NULL REFERENCES second_factors (id) ON DELETE CASCADE,
    digest {{bytes}} NOT NULL,
    PRIMARY KEY (factor_id, digest)
);

-- Browsers in which somebody has typed the right password and not yet shown the second factor.
CREATE TABLE second_steps (
    digest {{bytes}} NOT NULL PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    next TEXT,
    expires_at BIGINT NOT NULL
);
CREATE INDEX second_steps_user ON second_steps (user_id);
CREATE INDEX second_steps_expiry ON second_steps (expires_at);

-- People who want an account; they are users once an administrator has said yes.
CREATE TABLE sign_ups (
    id {{identity}},
    name {{ordered}} NOT NULL UNIQUE,
    hash TEXT NOT NULL,
    email TEXT NOT NULL,
    reason TEXT NOT NULL,
    requested_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sign_ups_expiry ON sign_ups (expires_at);
