-- What the owner of a server lets others do with it: one row for each server and user or group.
CREATE TABLE shares (
    id {{identity}},
    server_id BIGINT NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
    user_id BIGINT REFERENCES users (id) ON DELETE CASCADE,
    group_id BIGINT REFERENCES groups (id) ON DELETE CASCADE,
    scopes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    CHECK ((user_id IS NULL) <> (group_id IS NULL))
);
CREATE UNIQUE INDEX shares_user ON shares (server_id, user_id) WHERE user_id IS NOT NULL;
CREATE UNIQUE INDEX shares_group ON shares (server_id, group_id) WHERE group_id IS NOT NULL;
CREATE INDEX shares_of_user ON shares (user_id);
CREATE INDEX shares_of_group ON shares (group_id);
