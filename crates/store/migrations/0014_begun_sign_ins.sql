-- From which network a sign-in began, so that one network cannot fill the table.
ALTER TABLE login_attempts ADD COLUMN network TEXT NOT NULL DEFAULT '';
CREATE INDEX login_attempts_network ON login_attempts (network, created_at);
CREATE INDEX login_attempts_age ON login_attempts (created_at);
