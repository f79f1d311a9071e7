-- The ID token of the sign-in with which a browser session began, sealed for this table, column and
-- row. Ending the session at the provider needs that one: the grant has the last sign-in's only.
ALTER TABLE sessions ADD COLUMN id_token {{bytes}};

-- Whether the provider was asked to let the person prove again who they are.
ALTER TABLE login_attempts ADD COLUMN reauthenticates BIGINT NOT NULL DEFAULT 0;

-- When a directory or the like was last asked about this person, to follow their rights; the sign-in
-- asked, too. Where a provider gives tokens, its grant has that time.
ALTER TABLE identities ADD COLUMN rights_asked_at BIGINT;
