-- Names that must not be mistaken for each other, and those that somebody had.

-- What a name looks like to people: names that have the same cannot be told apart. Filled in for users of
-- earlier versions when the database is opened.
ALTER TABLE users ADD COLUMN look TEXT;
CREATE INDEX users_look ON users (look);

-- The provider whose people may take over an account that was made beforehand; empty where the
-- configuration decides.
ALTER TABLE users ADD COLUMN adopt_from TEXT;

-- Names that a user had here before the present one.
CREATE TABLE former_names (
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name {{ordered}} NOT NULL,
    PRIMARY KEY (user_id, name)
);

-- Names by which a provider named somebody, where they are not the name of a user. They outlive users and
-- links: a rule that keeps a name out keeps out whoever came with it.
CREATE TABLE identity_names (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    name {{ordered}} NOT NULL,
    PRIMARY KEY (issuer, subject, name)
);
