-- Who else than its owner has entered a server since a start. It outlives the visitor's session and
-- account: what somebody began in there may still run.
CREATE TABLE entries (
    server_id BIGINT NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
    start_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    user_name {{ordered}} NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (server_id, start_id, user_id)
){{by_key}};
