-- The client id of a named server was `jupyterhub-user-USER-SERVER`, which could be that of another server: `lab`
-- of `u`, and the default one of `u-lab`. What runs was told its id when it started, and keeps it until it stops.
UPDATE servers
SET client_id = substr(client_id, 1, length(client_id) - length(name) - 1) || '!' || name
WHERE name <> '' AND state IN ('stopped', 'failed');
